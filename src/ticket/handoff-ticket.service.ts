import { Injectable } from '@nestjs/common';
import { socketPath } from '../../protocol/messages.js';
import { Config } from '../config/config.js';
import type { UserContext } from '../identity/user-context.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { MetricsService } from '../observability/metrics.service.js';
import { newClaims, type TicketRequest } from './ticket-claims.js';
import { digestOf, newTicket } from './ticket.js';
import { TicketStore } from './ticket.store.js';

/** A ticket and the address to connect to with it. */
export interface HandoffTicket {
  ticket: string;
  url: string;
}

/**
 * Tickets that the server mints by itself, so that an open socket can move to another node. They differ from other
 * tickets only in the limits: a client cannot request one, gets at most one per socket, and must still be able to mint
 * its own if it does not support them. So they are never refused and never counted.
 */
@Injectable()
export class HandoffTicketService {
  constructor(
    private readonly config: Config,
    private readonly store: TicketStore,
    private readonly audit: AuditLogService,
    private readonly metrics: MetricsService,
  ) {}

  /** @throws {AppError} `dependency_unavailable` */
  async issue(user: UserContext, request: Omit<TicketRequest, 'purpose'>): Promise<HandoffTicket> {
    const ticket = newTicket();
    const digest = digestOf(ticket);
    const ttlSeconds = this.config.ticketTtlSeconds;
    const claims = newClaims(digest, user, { ...request, purpose: 'connect' }, ttlSeconds);
    await this.store.issueHandoff(digest, { ...claims, handoff: true }, ttlSeconds);
    this.metrics.tickets.labels('handoff').inc();
    this.audit.record('ticket.issued', user.userId, {
      ticket_id: digest.id,
      session_id: user.sessionId,
      purpose: claims.purpose,
      conversation_id: claims.conversation_id,
      handoff: true,
    });
    const url = this.config.publicUrl.replace(/^http/, 'ws') + socketPath(claims.conversation_id);
    return { ticket, url };
  }
}
