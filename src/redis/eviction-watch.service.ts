import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type Redis, ReplyError } from 'ioredis';
import { AppLogger } from '../observability/logger.js';
import { background } from '../observability/background.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RepeatingTask } from '../observability/repeating-task.js';
import { connectionsOf } from './redis-client.js';
import { fieldsOf } from './redis-info.js';
import { RedisService } from './redis.service.js';
import { readRefusedReply } from './refused-reply.js';

const LOOK_INTERVAL_MS = 2000;
const SAFE_POLICY = 'noeviction';
/** What is known of a server that tells its policy in neither of two ways. */
const UNKNOWN = 'unknown';

/**
 * Watches for a Redis that may evict keys when it is full: an evicted session signs a user out, and an evicted counter
 * resets a rate limit. docs/operations.md lists what is lost.
 */
@Injectable()
export class EvictionWatchService implements OnModuleInit, OnModuleDestroy {
  private readonly task: RepeatingTask;
  private policy: string | undefined;

  constructor(
    private readonly redis: RedisService,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
  ) {
    this.task = new RepeatingTask(() => this.turn(), logger, 'redis.look_failed', LOOK_INTERVAL_MS);
    metrics.redisEvictsKeys.set(-1);
    // At once after a reconnect, which may lead to another Redis than before.
    redis.client.on('ready', () => background(this.look(), logger, 'redis.look_failed'));
  }

  onModuleInit(): void {
    this.task.start(LOOK_INTERVAL_MS);
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  /** True while a Redis server has a policy other than `noeviction`. */
  get evictsKeys(): boolean {
    return this.policy !== undefined && this.policy !== SAFE_POLICY && this.policy !== UNKNOWN;
  }

  /** True while a Redis server does not tell its policy. */
  get isUnknown(): boolean {
    return this.policy === UNKNOWN;
  }

  private async turn(): Promise<number> {
    await this.look();
    return LOOK_INTERVAL_MS;
  }

  /** While no server answers, the last result stays. Bypasses the breaker, which must not open because of a refusal. */
  private async look(): Promise<void> {
    const answers = await Promise.allSettled(connectionsOf(this.redis.client).map(policyOf));
    const policies = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const found = policies.find((policy) => policy !== SAFE_POLICY && policy !== UNKNOWN);
    this.take(found ?? policies.find((policy) => policy === UNKNOWN) ?? policies[0]);
  }

  private take(found: string | undefined): void {
    if (found === undefined || found === this.policy) return;
    this.policy = found;
    this.metrics.redisEvictsKeys.set(this.isUnknown ? -1 : this.evictsKeys ? 1 : 0);
    if (this.evictsKeys) this.logger.warn('redis.evicts_keys', { maxmemory_policy: found });
    if (this.isUnknown)
      this.logger.warn('redis.eviction_unknown', {
        setting: 'REDIS_URL',
        advice: 'grant INFO or CONFIG GET to the user of the URL, or see that maxmemory-policy is noeviction',
      });
  }
}

/** By INFO, or by CONFIG where that is forbidden or says nothing of it. @throws while the server does not answer */
async function policyOf(server: Redis): Promise<string> {
  const told = await unlessRefused(async () => fieldsOf(await server.info('memory')).get('maxmemory_policy'));
  if (told !== undefined) return told;
  const [, set] = (await unlessRefused(() => server.config('GET', 'maxmemory-policy'))) ?? [];
  return set ?? UNKNOWN;
}

async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    // A server that refuses everything for now tells its policy later.
    if (!(error instanceof ReplyError) || readRefusedReply(error as Error).scope === 'server') throw error;
    return undefined;
  }
}
