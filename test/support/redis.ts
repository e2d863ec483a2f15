import { Redis } from 'ioredis';

/** A look into the Redis of a test file, beside the server. */
export async function withRedis<T>(
  engines: { redisUrl: string },
  look: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = new Redis(engines.redisUrl, { maxRetriesPerRequest: 3 });
  try {
    return await look(redis);
  } finally {
    redis.disconnect();
  }
}

/** Everything that Redis holds, as text by key: strings, and the parts of sets, hashes and lists. */
export async function dump(redis: Redis): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const key of (await redis.keys('*')).sort()) contents.set(key, await textOf(redis, key));
  return contents;
}

async function textOf(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key);
  switch (type) {
    case 'string':
      return (await redis.get(key)) ?? '';
    case 'hash':
      return JSON.stringify(await redis.hgetall(key));
    case 'zset':
      return (await redis.zrange(key, 0, '-1')).join(' ');
    case 'set':
      return (await redis.smembers(key)).join(' ');
    case 'list':
      return (await redis.lrange(key, 0, -1)).join(' ');
    case 'stream':
      return JSON.stringify(await redis.xrange(key, '-', '+'));
    default:
      return '';
  }
}
