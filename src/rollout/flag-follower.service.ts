import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { statesOf, unreadable } from './flag-record.js';
import { FlagProvider } from './flag.provider.js';
import { FlagStore } from './flag.store.js';

/** Half of the time that a change may take: a message that pub/sub loses is made up for within 1 s. */
const RELOAD_INTERVAL_MS = 500;
/** How long a start waits for Redis, so that no request sees the default of a flag that was changed. */
const START_LIMIT_MS = 1000;

/** Keeps this node's flags equal to those in Redis. While Redis is down, they stay as they were. */
@Injectable()
export class FlagFollowerService implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private loading: Promise<void> | undefined;
  private isOutdated = false;
  private lastRead: string | undefined;

  constructor(
    private readonly config: Config,
    private readonly store: FlagStore,
    private readonly provider: FlagProvider,
    private readonly logger: AppLogger,
  ) {}

  async onModuleInit(): Promise<void> {
    const reload = () => background(this.reload(), this.logger, 'flag.reload_failed');
    this.store.onChange(reload);
    this.timer = setInterval(reload, RELOAD_INTERVAL_MS);
    this.timer.unref();
    await this.attempt(() => this.store.whenReady(START_LIMIT_MS));
    await this.reload();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Resolves when this node has flags that were read after the call. */
  reload(): Promise<void> {
    // A read that is already on its way may have begun before the change that caused this call.
    this.isOutdated = true;
    this.loading ??= this.load().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  private async load(): Promise<void> {
    while (this.isOutdated) {
      this.isOutdated = false;
      await this.attempt(async () => this.apply(await this.store.read()));
    }
  }

  private apply(stored: Record<string, string>): void {
    const text = JSON.stringify(stored);
    // Logged once for each change, not at every reload.
    const flags = text === this.lastRead ? [] : unreadable(stored);
    if (flags.length > 0) this.logger.critical('flag.unreadable', { flags });
    this.lastRead = text;
    this.provider.replace(statesOf(this.config.flags, stored));
  }

  private async attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.provider.keep(error instanceof Error ? error.message : String(error));
    }
  }
}
