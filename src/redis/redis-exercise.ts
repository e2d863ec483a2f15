import type { Redis } from 'ioredis';
import { redisChannels } from './redis-keys.js';

/** Long enough for the commands after it, and short enough to leave nothing behind. */
const LIFE_SECONDS = 60;
const WRITE = `return redis.call('SET', KEYS[1], '', 'EX', ARGV[1])`;

/**
 * Does once what this server needs of a Redis: a script that writes, a read that renews, one that consumes, a message. A
 * Redis that replies to PING may refuse each of them. The first refusal is the one that is thrown.
 */
export async function exercise(redis: Redis, key: string): Promise<void> {
  const { db = 0 } = redis.options;
  await Promise.all([
    // Without this database the client would go on in another one.
    ...(db > 0 ? [redis.select(db)] : []),
    redis.eval(WRITE, 1, key, LIFE_SECONDS),
    redis.getex(key, 'EX', LIFE_SECONDS),
    redis.getdel(key),
    redis.publish(redisChannels.nodeProbe, ''),
  ]);
}
