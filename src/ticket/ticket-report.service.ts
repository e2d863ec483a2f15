import { Injectable } from '@nestjs/common';
import type { ErrorCode } from '../../protocol/errors.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import type { TicketEvent } from '../observability/label-values.js';
import { MetricsService } from '../observability/metrics.service.js';
import { redisNow } from '../redis/redis-clock.js';
import type { TicketClaims } from './ticket-claims.js';

/** Counts what happens to tickets, and records it in the audit log. */
@Injectable()
export class TicketReportService {
  private readonly counters = new Map<TicketEvent, { inc(): void }>();

  constructor(
    private readonly audit: AuditLogService,
    private readonly metrics: MetricsService,
  ) {}

  issued({ ticket_id, user_id, session_id, purpose, conversation_id, handoff }: TicketClaims): void {
    this.count(handoff === true ? 'handoff' : 'issued');
    this.audit.record('ticket.issued', user_id, { ticket_id, session_id, purpose, conversation_id, handoff });
  }

  /** @param connectionId the connection that it opened or renewed */
  consumed({ ticket_id, user_id, issued_at }: TicketClaims, connectionId: string): void {
    this.count('consumed');
    this.metrics.ticketAge.observe((redisNow() - issued_at) / 1000);
    this.audit.record('ticket.consumed', user_id, { ticket_id, connection_id: connectionId });
  }

  rejected({ ticket_id, user_id }: TicketClaims, code: ErrorCode): void {
    this.count('rejected');
    this.audit.warn('ticket.rejected', user_id, { ticket_id, code });
  }

  revoked({ ticket_id, user_id }: TicketClaims): void {
    this.count('revoked');
    this.audit.record('ticket.revoked', user_id, { ticket_id });
  }

  /** A ticket that was used before: by an attacker, or by a broken client. */
  replayed(ticketId: string, userId: string | undefined): void {
    this.count('replayed');
    this.audit.critical('ticket.replayed', userId, { ticket_id: ticketId });
  }

  unknown(): void {
    this.count('unknown');
  }

  /** A label is looked up once. */
  private count(event: TicketEvent): void {
    let counter = this.counters.get(event);
    if (counter === undefined) this.counters.set(event, (counter = this.metrics.tickets.labels(event)));
    counter.inc();
  }
}
