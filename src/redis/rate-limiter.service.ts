import { Injectable } from '@nestjs/common';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { clientNetwork } from '../identity/client-network.js';
import { LimitReportService } from '../observability/limit-report.service.js';
import { redisKeys } from './redis-keys.js';
import { RedisService } from './redis.service.js';

const WINDOW_SECONDS = 60;

/** Wrong passwords from unknown devices: an address may fail this many times as often as one account may log in. */
const FAILED_LOGINS_PER_LOGIN = 10;
/** One request in this many may be a registration. */
const REQUESTS_PER_REGISTRATION = 5;

export type LimitName =
  | 'requests'
  | 'upgrades'
  | 'logins'
  | 'failed_logins'
  | 'registrations'
  | 'registrations_of_email'
  | 'messages';

/** What a subject has left after one more use, for the `RateLimit` headers. */
export interface LimitState {
  name: LimitName | 'tickets';
  limit: number;
  remaining: number;
  resetMs: number;
}

/** A method of the library's limiters that its types leave out. */
interface InMemoryBlock {
  getInMemoryBlockMsBeforeExpire(key: string): number;
}

/** Counts uses per minute in Redis, across nodes. A subject over its limit is refused from memory until its minute ends. */
@Injectable()
export class RateLimiterService {
  private readonly limiters: Record<LimitName, RateLimiterRedis>;

  constructor(
    config: Config,
    private readonly redis: RedisService,
    private readonly report: LimitReportService,
  ) {
    const { requestsPerAddress, upgradesPerAddress, loginsPerAccount, messagesPerUser } = config.limits;
    const registrations = Math.max(1, Math.floor(requestsPerAddress / REQUESTS_PER_REGISTRATION));
    this.limiters = {
      requests: this.limiter('address', 'requests', requestsPerAddress),
      upgrades: this.limiter('address', 'upgrades', upgradesPerAddress),
      logins: this.limiter('user', 'logins', loginsPerAccount),
      failed_logins: this.limiter('address', 'failed_logins', loginsPerAccount * FAILED_LOGINS_PER_LOGIN),
      registrations: this.limiter('address', 'registrations', registrations),
      registrations_of_email: this.limiter('user', 'registrations', loginsPerAccount),
      messages: this.limiter('user', 'messages', messagesPerUser),
    };
  }

  /** True for a subject that this node knows to be over its limit. Does not ask Redis. */
  isBlocked(name: LimitName, subject: string): boolean {
    const limiter: RateLimiterRedis & Partial<InMemoryBlock> = this.limiters[name];
    const key = limiter.getKey(countedFor(name, subject));
    return (limiter.getInMemoryBlockMsBeforeExpire?.(key) ?? 0) > 0;
  }

  /**
   * Counts one use.
   * @param subject address, user id or account, by the limit.
   * @throws {AppError} `rate_limited` with the rest of the window; `dependency_unavailable` without Redis.
   */
  async take(name: LimitName, subject: string): Promise<LimitState> {
    const used = await this.count(name, subject);
    if (used.isOver) throw this.refusal(name, subject, used.resetMs);
    return { name, limit: this.limiters[name].points, remaining: used.remaining, resetMs: used.resetMs };
  }

  /** Refuses a subject that has used up its limit, without counting. @throws {AppError} as `take` */
  async require(name: LimitName, subject: string): Promise<void> {
    const limiter = this.limiters[name];
    const state = await this.redis.run(() => limiter.get(countedFor(name, subject)));
    if (state !== null && state.consumedPoints >= limiter.points)
      throw this.refusal(name, subject, state.msBeforeNext);
  }

  /** Counts one use, also one over the limit. @throws {AppError} `dependency_unavailable` */
  async count(
    name: LimitName,
    subject: string,
  ): Promise<{ isOver: boolean; remaining: number; resetMs: number }> {
    try {
      const state = await this.redis.run(() => this.limiters[name].consume(countedFor(name, subject)));
      return { isOver: false, remaining: state.remainingPoints, resetMs: state.msBeforeNext };
    } catch (error) {
      if (error instanceof RateLimiterRes) return { isOver: true, remaining: 0, resetMs: error.msBeforeNext };
      throw error;
    }
  }

  /** Resolves when uses can be counted: `take` with 0 uses. @throws {AppError} `dependency_unavailable` */
  async confirmCounting(name: LimitName): Promise<void> {
    await this.redis.run(() => this.limiters[name].penalty('health', 0));
  }

  private refusal(name: LimitName, subject: string, leftMs: number): AppError {
    const limit = this.limiters[name].points;
    const resetMs = Math.max(1, leftMs);
    if (isLoggedElsewhere(name)) this.report.counted(name);
    return new AppError('rate_limited', {
      traceId: isLoggedElsewhere(name) ? undefined : this.report.refused(name, subject),
      detail: `more than ${limit} ${name.replaceAll('_', ' ')} in ${WINDOW_SECONDS} s`,
      retryAfterMs: resetMs,
      headers: rateLimitHeaders({ name, limit, remaining: 0, resetMs }),
    });
  }

  private limiter(subject: 'address' | 'user', name: string, points: number): RateLimiterRedis {
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
