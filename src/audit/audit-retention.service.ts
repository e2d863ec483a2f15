import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { AuditStore } from './audit.store.js';
import { AppLogger } from '../observability/logger.js';
import { RepeatingTask } from '../observability/repeating-task.js';

const INTERVAL_MS = 3_600_000;
/** Delay after the start, when a node is busy with other work. */
const FIRST_DELAY_MS = 5_000;
const DAY_MS = 86_400_000;
/** Small enough for the time limit of one statement, and so that appends do not wait long. */
const MAX_ROWS_PER_TURN = 2000;

/** Removes rows older than `AUDIT_RETENTION_DAYS`, every hour, on every node: a later node finds nothing left. */
@Injectable()
export class AuditRetentionService implements OnModuleInit, OnModuleDestroy {
  private readonly task: RepeatingTask;
  private isStopping = false;

  constructor(
    private readonly store: AuditStore,
    private readonly config: Config,
    private readonly logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.prune(), logger, 'audit.prune_failed', INTERVAL_MS);
  }

  onModuleInit(): void {
    if (this.config.auditRetentionDays > 0) this.task.start(FIRST_DELAY_MS);
  }

  onModuleDestroy(): void {
    this.isStopping = true;
    this.task.stop();
  }

  private async prune(): Promise<number> {
    const before = new Date(Date.now() - this.config.auditRetentionDays * DAY_MS);
    let rows: number;
    do {
      rows = await this.store.prune(before, MAX_ROWS_PER_TURN, this.config.nodeName);
      if (rows > 0) this.logger.info('audit.pruned', { rows, before: before.toISOString() });
    } while (rows === MAX_ROWS_PER_TURN && !this.isStopping);
    return INTERVAL_MS;
  }
}
