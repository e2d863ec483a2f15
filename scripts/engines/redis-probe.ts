import { once } from 'node:events';
import { Redis as Client } from 'ioredis';
import { parseRedisUrl } from '../../src/config/redis-address.js';
import type { RedisClient } from '../../src/redis/redis-client.js';
import { commandClient } from '../../src/redis/redis-client.js';

const READY_LIMIT_MS = 5_000;

/** Why the Redis of a `REDIS_URL` cannot be used, in any of its forms; undefined when it can. */
export async function redisFailure(url: string): Promise<string | undefined> {
  try {
    const address = parseRedisUrl(url);
    return address.form === 'single' ? await serverFailure(url) : await clientFailure(commandClient(address));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The client keeps trying: it fails when it is not ready within the limit, with the last reason. */
async function clientFailure(client: RedisClient): Promise<string | undefined> {
  let failure = 'no answer';
  client.on('error', (error: Error) => {
    failure = error.message;
  });
  try {
    // events.once would reject at the first error.
    const ready = new Promise((resolve) => client.once('ready', resolve));
    const limit = AbortSignal.timeout(READY_LIMIT_MS);
    const isReady = await Promise.race([ready.then(() => true), once(limit, 'abort').then(() => false)]);
    if (!isReady) return failure;
    await client.ping();
    return undefined;
  } finally {
    client.disconnect();
  }
}

/** Why one server cannot be used; undefined when it can. */
export async function serverFailure(url: string): Promise<string | undefined> {
  const client = new Client(url, {
    lazyConnect: true,
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let failure: string | undefined;
  // The command's rejection says only that the connection is closed; the event says why.
  client.on('error', (error: Error & { code?: string }) => {
    failure = error.message === '' ? error.code : error.message;
  });
  try {
    await client.connect();
    await client.ping();
    return undefined;
  } catch (error) {
    return failure ?? (error instanceof Error ? error.message : String(error));
  } finally {
    // On an ended connection it would only set a timer that keeps the program alive for 2 s.
    if (client.status !== 'end') client.disconnect();
  }
}
