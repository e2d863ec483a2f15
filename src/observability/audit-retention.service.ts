import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { AuditStore } from './audit.store.js';
import { background } from './background.js';
import { AppLogger } from './logger.js';

const INTERVAL_MS = 3_600_000;
/** After the start, when a node has other things to do. */
const FIRST_DELAY_MS = 5_000;
const DAY_MS = 86_400_000;
/** Few enough for one statement's time limit, and not to keep those who append waiting. */
const MAX_ROWS_PER_TURN = 2000;

/** Removes what is older than `AUDIT_RETENTION_DAYS`, every hour. Any node may; one after the other finds nothing left. */
@Injectable()
export class AuditRetention implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(
    private readonly store: AuditStore,
    private readonly config: Config,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    if (this.config.auditRetentionDays > 0) this.schedule(FIRST_DELAY_MS);
  }

  onModuleDestroy(): void {
    this.isStopping = true;
    clearTimeout(this.timer);
  }

  private schedule(delayMs: number): void {
    if (this.isStopping) return;
    this.timer = setTimeout(() => {
      const pruned = this.prune().finally(() => this.schedule(INTERVAL_MS));
      background(pruned, this.logger, 'audit.prune_failed');
    }, delayMs);
    this.timer.unref();
  }

  private async prune(): Promise<void> {
    const before = new Date(Date.now() - this.config.auditRetentionDays * DAY_MS);
    let rows: number;
    do {
      rows = await this.store.prune(before, MAX_ROWS_PER_TURN, this.config.nodeName);
      if (rows > 0) this.logger.info('audit.pruned', { rows, before: before.toISOString() });
    } while (rows === MAX_ROWS_PER_TURN && !this.isStopping);
  }
}
