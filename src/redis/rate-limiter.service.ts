import { Injectable } from '@nestjs/common';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { clientNetwork } from '../identity/client-network.js';
import { LimitReportService } from '../observability/limit-report.service.js';
import { redisKeys } from './redis-keys.js';
import { RedisService } from './redis.service.js';
import { SettledLimit } from './settled-limit.js';

const WINDOW_SECONDS = 60;

/** Wrong passwords from unknown devices: an address may fail this many times as often as one account may log in. */
const FAILED_LOGINS_PER_LOGIN = 10;
/** One request in this many may be a registration. */
const REQUESTS_PER_REGISTRATION = 5;

/** Limits of what happens often: counted in memory, and settled with Redis four times a second. */
export type SettledLimitName = 'requests' | 'upgrades' | 'tickets' | 'messages';

/** Limits of what is worth a round trip: exact over all nodes. */
export type ExactLimitName = 'logins' | 'failed_logins' | 'registrations' | 'registrations_of_email';

type LimitName = SettledLimitName | ExactLimitName;

/** What a subject has left after one more use, for the `RateLimit` headers. */
export interface LimitState {
  name: LimitName;
  limit: number;
  remaining: number;
  resetMs: number;
}

/**
 * Counts uses per minute, across nodes. What happens often costs no round trip, and is told to other nodes from a tenth of
 * the limit on; see `settled-limit.ts`.
 */
@Injectable()
export class RateLimiterService {
  private readonly settled: Record<SettledLimitName, SettledLimit>;
  private readonly exact: Record<ExactLimitName, RateLimiterRedis>;

  constructor(
    config: Config,
    private readonly redis: RedisService,
    private readonly report: LimitReportService,
  ) {
    const { requestsPerAddress, upgradesPerAddress, loginsPerAccount } = config.limits;
    const registrations = Math.max(1, Math.floor(requestsPerAddress / REQUESTS_PER_REGISTRATION));
    this.settled = {
      requests: this.settledLimit('address', 'requests', requestsPerAddress),
      upgrades: this.settledLimit('address', 'upgrades', upgradesPerAddress),
      tickets: this.settledLimit('user', 'tickets', config.limits.ticketsPerUser),
      messages: this.settledLimit('user', 'messages', config.limits.messagesPerUser),
    };
    this.exact = {
      logins: this.exactLimit('user', 'logins', loginsPerAccount),
      failed_logins: this.exactLimit('address', 'failed_logins', loginsPerAccount * FAILED_LOGINS_PER_LOGIN),
      registrations: this.exactLimit('address', 'registrations', registrations),
      registrations_of_email: this.exactLimit('user', 'registrations', loginsPerAccount),
    };
  }

  /**
   * Counts one use at once, in memory.
   * @param subject address or user id, by the limit.
   * @throws {AppError} `rate_limited` with the rest of the window
   */
  use(name: SettledLimitName, subject: string): LimitState {
    const limit = this.settled[name];
    const { isOver, remaining, resetMs } = limit.take(countedFor(name, subject));
    if (isOver) throw this.refusal(name, limit.points, subject, resetMs);
    return { name, limit: limit.points, remaining, resetMs };
  }

  /** Takes back a use that came to nothing. */
  giveBack(name: SettledLimitName, subject: string): void {
    this.settled[name].giveBack(countedFor(name, subject));
  }

  /**
   * Counts one use.
   * @param subject address, user id or account, by the limit.
   * @throws {AppError} `rate_limited` with the rest of the window; `dependency_unavailable` without Redis.
   */
  async take(name: ExactLimitName, subject: string): Promise<LimitState> {
    const { isOver, remaining, resetMs } = await this.count(name, subject);
    const { points } = this.exact[name];
    if (isOver) throw this.refusal(name, points, subject, resetMs);
    return { name, limit: points, remaining, resetMs };
  }

  /** Refuses a subject that has used up its limit, without counting. @throws {AppError} as `take` */
  async require(name: ExactLimitName, subject: string): Promise<void> {
    const limiter = this.exact[name];
    const state = await this.redis.run(() => limiter.get(countedFor(name, subject)));
    if (state !== null && state.consumedPoints >= limiter.points)
      throw this.refusal(name, limiter.points, subject, state.msBeforeNext);
  }

  /** Counts one use, also one over the limit. @throws {AppError} `dependency_unavailable` */
  async count(
    name: ExactLimitName,
    subject: string,
  ): Promise<{ isOver: boolean; remaining: number; resetMs: number }> {
    try {
      const state = await this.redis.run(() => this.exact[name].consume(countedFor(name, subject)));
      return { isOver: false, remaining: state.remainingPoints, resetMs: state.msBeforeNext };
    } catch (error) {
      if (error instanceof RateLimiterRes) return { isOver: true, remaining: 0, resetMs: error.msBeforeNext };
      throw error;
    }
  }

  /** Resolves when uses can be counted: `take` with 0 uses. @throws {AppError} `dependency_unavailable` */
  async confirmCounting(): Promise<void> {
    await this.redis.run(() => this.exact.logins.penalty('health', 0));
  }

  private refusal(name: LimitName, limit: number, subject: string, leftMs: number): AppError {
    const resetMs = Math.max(1, leftMs);
    if (isLoggedElsewhere(name)) this.report.counted(name);
    return new AppError('rate_limited', {
      traceId: isLoggedElsewhere(name) ? undefined : this.report.refused(name, subject),
      detail: `more than ${limit} ${name.replaceAll('_', ' ')} in ${WINDOW_SECONDS} s`,
      retryAfterMs: resetMs,
      headers: rateLimitHeaders({ name, limit, remaining: 0, resetMs }),
    });
  }

  private settledLimit(subject: 'address' | 'user', name: SettledLimitName, points: number): SettledLimit {
    const prefix = redisKeys.limit(subject, name);
    return new SettledLimit(
      points,
      WINDOW_SECONDS * 1000,
      (key) => `${prefix}:${key}`,
      (call) => this.redis.run(call),
    );
  }

  private exactLimit(subject: 'address' | 'user', name: string, points: number): RateLimiterRedis {
    return new RateLimiterRedis({
      storeClient: this.redis.client,
      keyPrefix: redisKeys.limit(subject, name),
      points,
      duration: WINDOW_SECONDS,
      inMemoryBlockOnConsumed: points + 1,
    });
  }
}

/** Limits per address; all others are per user or account. */
const ADDRESS_LIMITS: ReadonlySet<LimitName> = new Set([
  'requests',
  'upgrades',
  'failed_logins',
  'registrations',
]);

function countedFor(name: LimitName, subject: string): string {
  return ADDRESS_LIMITS.has(name) ? clientNetwork(subject) : subject;
}

/** Decisions about a password or an upgrade are logged with their reason, and a limit is one such reason. */
function isLoggedElsewhere(name: LimitName): name is 'upgrades' | 'logins' | 'failed_logins' {
  return name === 'upgrades' || name === 'logins' || name === 'failed_logins';
}

/** The headers of draft-ietf-httpapi-ratelimit-headers: structured fields, seconds. */
export function rateLimitHeaders(state: LimitState): Record<string, string> {
  return {
    ratelimit: `"${state.name}";r=${state.remaining};t=${Math.ceil(state.resetMs / 1000)}`,
    'ratelimit-policy': `"${state.name}";q=${state.limit};w=${WINDOW_SECONDS}`,
  };
}
