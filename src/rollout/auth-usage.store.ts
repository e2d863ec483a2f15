import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import { redisNow } from '../redis/redis-clock.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';

/** How often something was used, and when last, in milliseconds since the epoch by the clock of Redis. */
export interface Usage {
  count: number;
  lastMs: number;
}

const LIFE_SECONDS = 400 * 86_400;
const LAST = '|last';
const SINCE = 'since';

/** Adds counts, and keeps the latest time of each. */
const ADD = `
redis.call('HSETNX', KEYS[1], '${SINCE}', ARGV[1])
for index = 2, #ARGV, 3 do
  local name, last = ARGV[index], ARGV[index] .. '${LAST}'
  redis.call('HINCRBY', KEYS[1], name, ARGV[index + 1])
  if tonumber(ARGV[index + 2]) > tonumber(redis.call('HGET', KEYS[1], last) or 0) then
    redis.call('HSET', KEYS[1], last, ARGV[index + 2])
  end
end
return redis.call('EXPIRE', KEYS[1], ${LIFE_SECONDS})`;

/** How often what was used, in the whole cluster. */
@Injectable()
export class AuthUsageStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('addUsage', { numberOfKeys: 1, lua: ADD });
  }

  async add(used: ReadonlyMap<string, Usage>): Promise<void> {
    const parts = [...used].flatMap(([name, { count, lastMs }]) => [name, count, lastMs]);
    await this.redis.run((redis) => redis.addUsage(redisKeys.authUsage(), redisNow(), ...parts));
  }

  /** @returns everything that was ever used, and since when that is counted; `undefined` when nothing was yet */
  async read(): Promise<{ sinceMs: number | undefined; used: ReadonlyMap<string, Usage> }> {
    const { [SINCE]: since, ...fields } = await this.redis.run((redis) =>
      redis.hgetall(redisKeys.authUsage()),
    );
    const names = Object.keys(fields).filter((name) => !name.endsWith(LAST));
    const used = names.map((name): [string, Usage] => [
      name,
      { count: Number(fields[name]), lastMs: Number(fields[name + LAST]) },
    ]);
    return { sinceMs: since === undefined ? undefined : Number(since), used: new Map(used) };
  }
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    addUsage(key: string, sinceMs: number, ...parts: (string | number)[]): Result<number, Context>;
  }
}
