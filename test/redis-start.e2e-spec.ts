import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EngineProcess } from '../scripts/engines/engine-process.js';
import { startRedis } from '../scripts/engines/redis-server.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { loadConfig } from '../src/config/config.js';
import { AppLogger } from '../src/observability/logger.js';
import { MetricsService } from '../src/observability/metrics.service.js';
import { RefusalLogService } from '../src/observability/refusal-log.service.js';
import { RedisService } from '../src/redis/redis.service.js';
import { StartCheckService } from '../src/redis/start-check.service.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { redisSettings } from './support/engines.js';
import { type RewritingProxy, startRewritingProxy } from './support/rewriting-proxy.js';
import { eventually, within } from './support/waiting.js';

/** Of the same length, because the reply says how long it is. */
const aged = (piece: string) =>
  piece.replace(
    /redis_version:(\d+)/,
    (_, major: string) => `redis_version:${'5'.padStart(major.length, '0')}`,
  );

const settings = (REDIS_URL: string) =>
  loadConfig({
    DATABASE_URL: currentRun().postgresUrl,
    REDIS_URL,
    JWT_SECRET: 'x'.repeat(32),
    LOG_LEVEL: 'silent',
  });

/** The part of a node that looks at Redis when it starts. */
async function withStart<T>(
  redisUrl: string,
  work: (start: StartCheckService, redis: RedisService) => Promise<T>,
) {
  const config = settings(redisUrl);
  const logger = new AppLogger(config);
  const redis = new RedisService(config, logger, new MetricsService(), new RefusalLogService(logger));
  try {
    await eventually(() => redis.client.status === 'ready' || redis.loss !== undefined, 'an answer of Redis');
    return await work(new StartCheckService(config, redis), redis);
  } finally {
    redis.onApplicationShutdown();
    await logger.close();
  }
}

// A container takes no further arguments.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary('a node that is started', () => {
  let cluster: Cluster;
  let old: RewritingProxy;
  const servers: EngineProcess[] = [];

  const aRedis = async (name: string, settings: string[]) => {
    const own = redisSettings();
    const server = await startRedis({ ...own, folder: join(own.folder, name), durable: false, settings });
    servers.push(server);
    return server.url;
  };

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 0, redisForm: 'single' });
    old = await startRewritingProxy(Number(new URL(cluster.redisUrl).port), aged);
  });

  afterAll(async () => {
    old?.stop();
    await cluster?.stop();
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('with an old Redis says so, and ends', async () => {
    const REDIS_URL = `redis://127.0.0.1:${old.port}`;
    await expect(cluster.addNode({ REDIS_URL })).rejects.toThrow(
      /REDIS_URL: expected Redis 6\.2 or later, or Valkey, got version 0*5\./,
    );
  });

  it.each<[string, () => string | Promise<string>, RegExp]>([
    [
      'a node of a cluster in redis://',
      () => aRedis('cluster', ['--cluster-enabled', 'yes']),
      /REDIS_URL: expected redis\+cluster:.*node of a Redis Cluster/,
    ],
    [
      'a single server in redis+cluster://',
      () => cluster.redisUrl.replace('redis:', 'redis+cluster:'),
      /REDIS_URL: it is not a node of a cluster/,
    ],
    [
      'a single server in redis+sentinel://',
      () => `${cluster.redisUrl.replace('redis:', 'redis+sentinel:')}/main`,
      /REDIS_URL: it is not a sentinel/,
    ],
    [
      'a database that is not there',
      () => `${cluster.redisUrl}/99`,
      /REDIS_URL: it has no database of the number/,
    ],
    [
      'a Redis without GETDEL',
      () => aRedis('renamed', ['--rename-command', 'GETDEL', 'TAKE']),
      /REDIS_URL: it lacks a command.*getdel/i,
    ],
  ])('refuses %s', async (_what, redisUrl, words) => {
    await withStart(await redisUrl(), (start) =>
      expect(start.onApplicationBootstrap()).rejects.toThrow(words),
    );
  });

  it('takes a Redis that knows only RESP2', async () => {
    const url = await aRedis('resp2', ['--rename-command', 'HELLO', 'GREET']);
    await withStart(url, async (start, redis) => {
      await start.onApplicationBootstrap();
      redis.listen('a channel');
      await eventually(() => redis.isListening, 'the subscription');
      await redis.confirmUp();
    });
  });

  it('connects again when sentinels report a failover while it asks them for the master', async () => {
    // It never says who the master is.
    const sentinel = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
    const sockets: Socket[] = [];
    await once(sentinel, 'listening');
    const { port } = sentinel.address() as AddressInfo;
    const logger = new AppLogger({ logLevel: 'silent', nodeName: 'n1' });
    const config = settings(`redis+sentinel://127.0.0.1:${port}/main`);
    const redis = new RedisService(config, logger, new MetricsService(), new RefusalLogService(logger));
    try {
      const { client } = redis as unknown as {
        client: { connector: { disconnect(): void }; status: string };
      };
      await eventually(() => sockets.length > 0, 'the question to the sentinel');
      const ended = new Promise<void>((resolve) => redis.client.once('end', resolve));
      // What ioredis does when a sentinel publishes +switch-master.
      client.connector.disconnect();
      await within(ended, 'ioredis to give up');
      await eventually(() => client.status === 'connecting', 'the next question');
    } finally {
      redis.onApplicationShutdown();
      await logger.close();
      sentinel.close();
      for (const socket of sockets) socket.destroy();
    }
  });

  it('takes a replica, which may become the master, and does not serve', async () => {
    const url = await aRedis('replica', ['--replicaof', '127.0.0.1', new URL(cluster.redisUrl).port]);
    await withStart(url, async (start, redis) => {
      await start.onApplicationBootstrap();
      await expect(redis.confirmUp()).rejects.toThrow('redis is unavailable');
      expect(redis.isUp).toBe(false);
    });
  });
});
