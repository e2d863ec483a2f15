import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { AppError } from '../../errors/app-error.js';
import { LimitReportService } from '../../observability/limit-report.service.js';
import { RateLimiterService } from '../../redis/rate-limiter.service.js';
import { RedisService } from '../../redis/redis.service.js';
import { clientAddress } from './client-address.js';

/** Upgrades that are being decided about at one time. */
const MAX_PENDING = 2000;
const PENDING_RETRY_MS = 1000;

/** What stands before the ticket: is the node able and willing to look at one more upgrade? */
@Injectable()
export class UpgradeGateService {
  /** Network address of whoever dialled. */
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

  /** From now on nobody enters. */
  drain(): void {
    this.draining = true;
  }

  /** Resolves when no upgrade is being decided about, or when the time is over. */
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
   * Decides about an upgrade, if the node looks at any and its address is not over the limit. Only then: what is refused
   * here has used up no ticket.
   * @throws {AppError} `draining`, `dependency_unavailable`, `rate_limited`, and what `decide` throws.
   */
  async admit(address: string, decide: () => Promise<void>): Promise<void> {
    this.requireOpen();
    this.requireRoom();
    this.pending += 1;
    try {
      // The breaker learns of a Postgres that is gone after some failures; no upgrade may pass until then.
      await this.database.confirmUp();
      await this.rateLimiter.take('upgrades', address);
      await decide();
    } finally {
      this.pending -= 1;
      if (this.pending === 0) for (const tell of this.whenDecided.splice(0)) tell();
    }
  }

  /**
   * Resolves when an upgrade would be looked at now. Asks what every upgrade asks, so that the health of this node cannot
   * differ from what its upgrades get.
   * @throws {AppError} `draining`, `dependency_unavailable`.
   */
  async confirmOpen(): Promise<void> {
    this.requireOpen();
    // The ping also finds the lost part of a cluster; the limiter finds a Redis that refuses scripts or writes.
    await Promise.all([
      this.database.confirmUp(),
      this.redis.ping(),
      this.rateLimiter.confirmCounting('upgrades'),
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
