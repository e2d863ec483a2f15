import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AppLogger } from '../observability/logger.js';
import { RepeatingTask } from '../observability/repeating-task.js';
import { serverInfo } from './redis-info.js';
import { RedisService } from './redis.service.js';

const LOOK_INTERVAL_MS = 2000;
const SAFE_POLICY = 'noeviction';

/**
 * Watches for a Redis that may evict keys when it is full: an evicted session signs a user out, and an evicted counter
 * resets a rate limit.
 */
@Injectable()
export class EvictionWatchService implements OnModuleInit, OnModuleDestroy {
  private readonly task: RepeatingTask;
  private policy: string | undefined;

  constructor(
    private readonly redis: RedisService,
    private readonly logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.look(), logger, 'redis.look_failed', LOOK_INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(0);
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  /** True while a Redis server has a policy other than `noeviction`. */
  get evictsKeys(): boolean {
    return this.policy !== undefined && this.policy !== SAFE_POLICY;
  }

  /** A server that is down, or does not tell its policy, leaves the last result unchanged. */
  private async look(): Promise<number> {
    const policies = (await serverInfo(this.redis.client, 'memory')).flatMap(
      (fields) => fields.get('maxmemory_policy') ?? [],
    );
    const found = policies.find((policy) => policy !== SAFE_POLICY) ?? policies[0] ?? this.policy;
    if (found === this.policy) return LOOK_INTERVAL_MS;
    this.policy = found;
    if (this.evictsKeys) this.logger.warn('redis.evicts_keys', { maxmemory_policy: found });
    return LOOK_INTERVAL_MS;
  }
}
