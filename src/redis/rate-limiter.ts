import { Injectable } from '@nestjs/common';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { redisKeys } from './redis-keys.js';
import { RedisService } from './redis.service.js';

const WINDOW_SECONDS = 60;

export type LimitName = 'requests' | 'upgrades' | 'logins' | 'messages';

/** Where a subject stands after one more use; what the `RateLimit` headers say. */
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
export class RateLimiter {
  private readonly limiters: Record<LimitName, RateLimiterRedis>;

  constructor(
    config: Config,
    private readonly redis: RedisService,
  ) {
    const { limits } = config;
    this.limiters = {
      requests: this.limiter(redisKeys.limit('address', 'requests'), limits.requestsPerAddress),
      upgrades: this.limiter(redisKeys.limit('address', 'upgrades'), limits.upgradesPerAddress),
      logins: this.limiter(redisKeys.limit('user', 'logins'), limits.loginsPerAccount),
      messages: this.limiter(redisKeys.limit('user', 'messages'), limits.messagesPerUser),
    };
  }

  /** True for a subject that this node knows to be over its limit. Asks nobody. */
  isBlocked(name: LimitName, subject: string): boolean {
    const limiter: RateLimiterRedis & Partial<InMemoryBlock> = this.limiters[name];
    return (limiter.getInMemoryBlockMsBeforeExpire?.(limiter.getKey(subject)) ?? 0) > 0;
  }

  /**
   * Counts one use.
   * @param subject address, user id or account, by the limit.
   * @throws {AppError} `rate_limited` with the rest of the window; `dependency_unavailable` without Redis.
   */
  async take(name: LimitName, subject: string): Promise<LimitState> {
    const limiter = this.limiters[name];
    try {
      const state = await this.redis.run(() => limiter.consume(subject));
      return {
        name,
        limit: limiter.points,
        remaining: state.remainingPoints,
        resetMs: state.msBeforeNext,
      };
    } catch (error) {
      if (error instanceof RateLimiterRes) {
        const resetMs = Math.max(1, error.msBeforeNext);
        throw new AppError('rate_limited', {
          detail: `more than ${limiter.points} ${name} in ${WINDOW_SECONDS} s`,
          retryAfterMs: resetMs,
          headers: rateLimitHeaders({ name, limit: limiter.points, remaining: 0, resetMs }),
        });
      }
      throw error;
    }
  }

  private limiter(keyPrefix: string, points: number): RateLimiterRedis {
    return new RateLimiterRedis({
      storeClient: this.redis.client,
      keyPrefix,
      points,
      duration: WINDOW_SECONDS,
      inMemoryBlockOnConsumed: points + 1,
    });
  }
}

/** The headers of draft-ietf-httpapi-ratelimit-headers: structured fields, seconds. */
export function rateLimitHeaders(state: LimitState): Record<string, string> {
  return {
    ratelimit: `"${state.name}";r=${state.remaining};t=${Math.ceil(state.resetMs / 1000)}`,
    'ratelimit-policy': `"${state.name}";q=${state.limit};w=${WINDOW_SECONDS}`,
  };
}
