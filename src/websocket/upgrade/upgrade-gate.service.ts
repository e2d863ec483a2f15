import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { AppError } from '../../errors/app-error.js';
import { LimitReportService } from '../../observability/limit-report.service.js';
import { RateLimiterService } from '../../redis/rate-limiter.service.js';
import { RedisService } from '../../redis/redis.service.js';
import { clientAddress } from './client-address.js';

/** Maximum number of upgrades that are being decided at the same time: half of a full node that comes back at once. */
const MAX_PENDING = 10_000;
const PENDING_RETRY_MS = 1000;

/** Decides, before the ticket is checked, whether the node can take another upgrade. */
@Injectable()
export class UpgradeGateService {
  /** Returns the client's network address. */
  readonly addressOf: (request: IncomingMessage) => string;
  private pending = 0;
  private draining = false;
  private whenDecided: (() => void)[] = [];

  constructor(
    config: Config,
    private readonly redis: RedisService,
    private readonly database: DatabaseService,
    private readonly rateLimiter: RateLimiterService,
    private readonly report: LimitReportService,
  ) {
    this.addressOf = clientAddress(config.trustProxy);
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** Refuses all further upgrades. */
  drain(): void {
    this.draining = true;
  }

  /** Resolves when no upgrade is being decided, or after the timeout. */
  async allDecided(timeoutMs: number): Promise<void> {
    if (this.pending === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.whenDecided.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /**
   * Calls `decide` if the node takes upgrades and the address is within its limit. An upgrade that is refused here has
   * not used its ticket.
   * @throws {AppError} `draining`, `dependency_unavailable`, `rate_limited`, and what `decide` throws.
   */
  async admit(address: string, decide: () => Promise<void>): Promise<void> {
    this.requireOpen();
    this.requireRoom();
    this.pending += 1;
    try {
      // The breaker opens only after several failures; no upgrade may pass while Postgres is down.
      await this.database.confirmUp();
      this.rateLimiter.use('upgrades', address);
      await decide();
    } finally {
      this.pending -= 1;
      if (this.pending === 0) for (const tell of this.whenDecided.splice(0)) tell();
    }
  }

  /**
   * Resolves if an upgrade would be considered now. Makes the same checks as an upgrade, so that the reported health
   * matches what upgrades get.
   * @throws {AppError} `draining`, `dependency_unavailable`.
   */
  async confirmOpen(): Promise<void> {
    this.requireOpen();
    // The limiter also detects a Redis that refuses scripts.
    await Promise.all([
      this.database.confirmUp(),
      this.redis.confirmUp(),
      this.rateLimiter.confirmCounting(),
    ]);
  }

  private requireOpen(): void {
    if (this.isDraining)
      throw new AppError('draining', { detail: 'This node is going away, another one is there' });
    if (!this.redis.isUp || !this.database.isUp) {
      const detail = `${this.redis.isUp ? 'postgres' : 'redis'} is unavailable`;
      throw new AppError('dependency_unavailable', { detail });
    }
  }

  private requireRoom(): void {
    if (this.pending < MAX_PENDING) return;
    this.report.counted('pending_upgrades');
    throw new AppError('rate_limited', {
      detail: 'too many upgrades at once',
      retryAfterMs: PENDING_RETRY_MS,
    });
  }
}
