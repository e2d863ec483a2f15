import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AuditLogService } from '../audit/audit-log.service.js';
import { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RepeatingTask } from '../observability/repeating-task.js';
import type { AwaitedExpiry } from './awaited-expiry.js';
import { MAX_TAKEN, TicketExpiryStore } from './ticket-expiry.store.js';

const SWEEP_INTERVAL_MS = 2000;
/** When there is more than one turn may take. */
const NEXT_TURN_MS = 50;

/** Rows that say what became of a ticket: one that has one has not expired, whatever its lost receipt would say. */
const ENDS = ['ticket.consumed', 'ticket.rejected', 'ticket.revoked', 'ticket.expired'] as const;
/** A ticket lives for 120 s at most: its other rows are no older than this before its end. */
const LONGEST_LIFE_MS = 180_000;

/**
 * Records each ticket that expired, once in the cluster: every node looks, one of them takes it. It lets go of it when the
 * row is in the audit log, so that a node that dies in between leaves it to the next one.
 */
@Injectable()
export class TicketExpiryService implements OnModuleInit, OnModuleDestroy {
  private readonly task: RepeatingTask;

  constructor(
    private readonly store: TicketExpiryStore,
    private readonly audit: AuditLogService,
    private readonly metrics: MetricsService,
    logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.turn(), logger, 'ticket.expiry_failed', SWEEP_INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(SWEEP_INTERVAL_MS);
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  private async turn(): Promise<number> {
    try {
      const taken = await this.store.take();
      if (taken.length > 0) await this.settle(taken);
      return taken.length < MAX_TAKEN ? SWEEP_INTERVAL_MS : NEXT_TURN_MS;
    } catch (error) {
      // While Redis or Postgres is down its breaker tells of it; what was taken is taken again.
      if (error instanceof AppError) return SWEEP_INTERVAL_MS;
      throw error;
    }
  }

  private async settle(taken: readonly AwaitedExpiry[]): Promise<void> {
    const known = await this.store.look(taken);
    const recorded = await this.record(known.flatMap(({ ticket, isSettled }) => (isSettled ? [] : ticket)));
    this.metrics.tickets.labels('expired').inc(recorded.length);
    await this.store.writeReceipts(recorded);
    await this.store.forget(known.map(({ ticket }) => ticket));
  }

  private async record(tickets: readonly AwaitedExpiry[]): Promise<AwaitedExpiry[]> {
    if (tickets.length === 0) return [];
    const since = new Date(Math.min(...tickets.map(({ expires_at }) => expires_at)) - LONGEST_LIFE_MS);
    const rows = tickets.map(({ ticket_id, user_id, expires_at, handoff }) => ({
      userId: user_id,
      fields: {
        ticket_id,
        expired_at: new Date(expires_at).toISOString(),
        ...(handoff && { handoff }),
      },
    }));
    const isNew = await this.audit.recordOnce('ticket.expired', rows, {
      key: 'ticket_id',
      unless: ENDS,
      since,
    });
    return tickets.filter(({ ticket_id }) => isNew.has(ticket_id));
  }
}
