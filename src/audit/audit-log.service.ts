import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { background } from '../observability/background.js';
import { redisNow } from '../redis/redis-clock.js';
import { AuditStore, type AuditRow, type SaidBefore } from './audit.store.js';
import { AppLogger, type LogFields } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RefusalLogService } from '../observability/refusal-log.service.js';

const FLUSH_INTERVAL_MS = 200;
const MAX_BUFFERED_ROWS = 20_000;
const MAX_ROWS_PER_INSERT = 1000;
/** Shortest time between two log lines about a full buffer. */
const ALARM_INTERVAL_MS = 60_000;

/**
 * Records who did what: one log line at once, and one Postgres row soon after. Rows are buffered, so that a slow
 * Postgres never slows a ticket; the buffer is bounded, and rows that it drops are counted and logged as critical.
 */
@Injectable()
export class AuditLogService implements OnModuleInit, BeforeApplicationShutdown {
  private buffer: AuditRow[] = [];
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  private dropped = 0;
  private raisedAtMs = -Infinity;

  constructor(
    private readonly store: AuditStore,
    private readonly config: Config,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => background(this.flush(), this.logger, 'audit.failed'), FLUSH_INTERVAL_MS);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
    await this.flush();
  }

  /** Records an event. `fields` must contain no credential. */
  record(event: string, userId: string | undefined, fields: LogFields = {}): void {
    this.logger.info(event, { user_id: userId, ...fields });
    this.keep(event, userId, fields);
  }

  /** Records a refusal that the user can fix: a wrong password, an expired ticket. */
  warn(event: string, userId: string | undefined, fields: LogFields = {}): void {
    this.refusals.write('warn', event, String(fields.code), userId, { user_id: userId, ...fields });
    this.keep(event, userId, fields);
  }

  /** Records what looks like an attack. */
  critical(event: string, userId: string | undefined, fields: LogFields = {}): void {
    this.refusals.write('critical', event, String(fields.code), userId, { user_id: userId, ...fields });
    this.keep(event, userId, fields);
  }

  /**
   * Records rows that must exist exactly once, however often and on whichever node this is called. The rows are stored
   * when it resolves.
   * @param rows each with the field that `said.key` names; it identifies the subject
   * @param said a row is left out when one of these events about the same subject is already stored
   * @returns the subjects whose rows were stored by this call
   * @throws {AppError} `dependency_unavailable`: the rows may or may not be stored; call it again.
   */
  async recordOnce(
    event: string,
    rows: readonly { userId: string; fields: LogFields }[],
    said: SaidBefore,
  ): Promise<ReadonlySet<unknown>> {
    const at = new Date(redisNow());
    const { nodeName: node } = this.config;
    const all = rows.map(({ userId, fields }) => ({ at, event, userId, node, fields }));
    const stored = await this.store.appendUnsaid(all, said);
    for (const { userId, fields } of stored) this.logger.info(event, { user_id: userId, ...fields });
    return new Set(stored.map(({ fields }) => fields[said.key]));
  }

  /** Rows that are not stored yet. */
  get waiting(): number {
    return this.buffer.length;
  }

  private keep(event: string, userId: string | undefined, fields: LogFields): void {
    if (this.buffer.length >= MAX_BUFFERED_ROWS) {
      this.drop();
      return;
    }
    this.buffer.push({ at: new Date(redisNow()), event, userId, node: this.config.nodeName, fields });
  }

  private drop(): void {
    this.metrics.auditDropped.inc();
    this.dropped += 1;
    const now = performance.now();
    if (now - this.raisedAtMs < ALARM_INTERVAL_MS) return;
    this.raisedAtMs = now;
    this.logger.critical('audit.full', { rows: this.buffer.length, dropped: this.dropped });
  }

  private flush(): Promise<void> {
    this.flushing ??= this.write().finally(() => {
      this.flushing = undefined;
    });
    return this.flushing;
  }

  private async write(): Promise<void> {
    while (this.buffer.length > 0) {
      const rows = this.buffer.slice(0, MAX_ROWS_PER_INSERT);
      try {
        await this.store.append(rows);
      } catch (error) {
        // The rows stay for the next try, until Postgres is back or the buffer is full.
        const fields = { rows: this.buffer.length, error: (error as Error).message };
        this.refusals.write('warn', 'audit.delayed', '', undefined, fields);
        return;
      }
      this.buffer.splice(0, rows.length);
    }
  }
}
