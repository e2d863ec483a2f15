import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AuditLogService } from '../audit/audit-log.service.js';
import { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RepeatingTask } from '../observability/repeating-task.js';
import type { AwaitedExpiry } from './awaited-expiry.js';
import { MAX_TAKEN, TicketExpiryStore } from './ticket-expiry.store.js';

const SWEEP_INTERVAL_MS = 2000;
/** Delay before the next run if more tickets have expired than one run takes. */
const NEXT_TURN_MS = 50;

/** Audit rows that end a ticket: one with such a row is not recorded as expired, even if its receipt was lost. */
const ENDS = ['ticket.consumed', 'ticket.rejected', 'ticket.revoked', 'ticket.expired'] as const;
/** A ticket lives for 120 s at most: all its rows are written within this time before its expiry. */
const LONGEST_LIFE_MS = 180_000;

/**
 * Records each expired ticket once in the cluster: every node polls, and one of them takes the ticket. It releases the
 * ticket when the row is in the audit log, so that another node takes it over if this one dies before.
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
      // While Redis or Postgres is down, its breaker reports it; the tickets are taken again later.
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
