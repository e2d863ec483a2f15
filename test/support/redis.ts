import { Cluster, Redis } from 'ioredis';
import { parseRedisUrl } from '../../src/config/redis-address.js';
import type { RedisClient } from '../../src/redis/redis-client.js';

const RETRIES = 3;

/** Runs `work` with a client of a test file's Redis, independent of the server. */
export async function withRedis<T>(
  engines: { redisUrl: string },
  look: (redis: RedisClient) => Promise<T>,
): Promise<T> {
  const redis = connect(engines.redisUrl);
  redis.on('error', () => undefined);
  try {
    return await look(redis);
  } finally {
    redis.disconnect();
  }
}

function connect(url: string): RedisClient {
  const address = parseRedisUrl(url);
  switch (address.form) {
    case 'single':
      return new Redis(url, { maxRetriesPerRequest: RETRIES });
    case 'sentinel':
      return new Redis({ sentinels: address.sentinels, name: address.masterName });
    case 'cluster':
      return new Cluster(address.nodes, {
        clusterRetryStrategy: (attempt) => (attempt > RETRIES ? null : 50 * attempt),
      });
  }
}

/** Names of keys; in a cluster those of all its masters. */
export async function keysOf(redis: RedisClient, pattern = '*'): Promise<string[]> {
  const servers = redis instanceof Cluster ? await mastersOf(redis) : [redis];
  return (await Promise.all(servers.map((server) => server.keys(pattern)))).flat().sort();
}

/** Channels with subscribers; in a cluster those at any of its masters. */
export async function channelsOf(redis: RedisClient, pattern: string): Promise<string[]> {
  const servers = redis instanceof Cluster ? await mastersOf(redis) : [redis];
  const found = await Promise.all(servers.map((server) => server.pubsub('CHANNELS', pattern)));
  return (found.flat() as string[]).sort();
}

/** Ends every subscribed connection, at each server of a cluster. */
export async function cutSubscribers(redis: RedisClient): Promise<void> {
  const servers = redis instanceof Cluster ? await mastersOf(redis) : [redis];
  await Promise.all(servers.map((server) => server.call('CLIENT', 'KILL', 'TYPE', 'pubsub')));
}

/** Everything that Redis holds, as text by key: strings, and the parts of sets, hashes and lists. */
export async function dump(redis: RedisClient): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const key of await keysOf(redis)) contents.set(key, await textOf(redis, key));
  return contents;
}

/** The nodes are known once a first command was answered. */
async function mastersOf(cluster: Cluster): Promise<Redis[]> {
  await cluster.ping();
  return cluster.nodes('master');
}

async function textOf(redis: RedisClient, key: string): Promise<string> {
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
