import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RepeatingTask } from '../observability/repeating-task.js';
import { redisNow } from '../redis/redis-clock.js';
import { AuthUsageStore, type Usage } from './auth-usage.store.js';

const FLUSH_INTERVAL_MS = 250;

/** Sign-ins by an old method from one kind of client. */
export interface LegacyUsage {
  method: string;
  client: string;
  count: number;
  last_used_at: string;
}

/**
 * Counts which ways in are used, for the whole cluster: a node adds up what it sees and puts it into Redis four times a
 * second, in one command. A node that is killed loses a quarter of a second of it.
 */
@Injectable()
export class AuthUsageService implements OnModuleInit, BeforeApplicationShutdown {
  private unsaved = new Map<string, Usage>();
  /** What of the metric of old methods was added already. */
  private readonly legacySeen = new Map<string, number>();
  private readonly task: RepeatingTask;

  constructor(
    private readonly store: AuthUsageStore,
    private readonly metrics: MetricsService,
    logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.turn(), logger, 'auth.usage_failed', FLUSH_INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(FLUSH_INTERVAL_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.task.stop();
    await this.turn();
  }

  /** @param name of a closed list */
  add(name: string, count = 1): void {
    this.merge(name, { count, lastMs: redisNow() });
  }

  /** What every node has counted, this one up to now. @throws {AppError} `dependency_unavailable` */
  async read(): Promise<{ since: string | null; used: ReadonlyMap<string, Usage> }> {
    await this.save();
    const { sinceMs, used } = await this.store.read();
    return { since: sinceMs === undefined ? null : new Date(sinceMs).toISOString(), used };
  }

  /** Which old methods were used, and by what. @throws {AppError} `dependency_unavailable` */
  async legacy(): Promise<{ since: string | null; usage: LegacyUsage[] }> {
    const { since, used } = await this.read();
    const usage = [...used].flatMap(([name, { count, lastMs }]) => {
      const [kind, method = '', client = ''] = name.split('|');
      return kind === 'legacy'
        ? [{ method, client, count, last_used_at: new Date(lastMs).toISOString() }]
        : [];
    });
    return { since, usage };
  }

  private async turn(): Promise<number> {
    try {
      await this.save();
    } catch (error) {
      // While Redis is down its breaker tells of it; the counts wait.
      if (!(error instanceof AppError)) throw error;
    }
    return FLUSH_INTERVAL_MS;
  }

  private async save(): Promise<void> {
    await this.addLegacy();
    const saving = this.unsaved;
    if (saving.size === 0) return;
    this.unsaved = new Map();
    try {
      await this.store.add(saving);
    } catch (error) {
      // Whether they arrived is not known: what is used must not look unused, so some may count twice.
      for (const [name, usage] of saving) this.merge(name, usage);
      throw error;
    }
  }

  private merge(name: string, { count, lastMs }: Usage): void {
    const known = this.unsaved.get(name);
    this.unsaved.set(name, {
      count: count + (known?.count ?? 0),
      lastMs: Math.max(lastMs, known?.lastMs ?? 0),
    });
  }

  /** The room of the old methods counts in the metric alone: it may be deleted, and nothing here knows it. */
  private async addLegacy(): Promise<void> {
    const { values } = await this.metrics.legacyAuth.get();
    for (const { labels, value } of values) {
      const name = `legacy|${labels.method}|${labels.client}`;
      const fresh = value - (this.legacySeen.get(name) ?? 0);
      this.legacySeen.set(name, value);
      if (fresh > 0) this.add(name, fresh);
    }
  }
}
