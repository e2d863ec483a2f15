import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EngineProcess } from '../scripts/engines/engine-process.js';
import { startRedis } from '../scripts/engines/redis-server.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { type PrivateEngine, redisSettings } from './support/engines.js';
import { request } from './support/http.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { aUser } from './support/user.js';
import { eventually } from './support/waiting.js';

interface FullReport {
  status: string;
  details: Record<string, { status: string; latency_ms?: number }>;
  warnings: string[];
}

const ANSWER_LIMIT_MS = 1500;
/** 12,000 keys of 300 us each take 3.6 s, in which Redis serves its connections every 0.3 s. */
const KEYS_TO_LOAD = 12_000;
const SLOW_LOADING = ['--key-load-delay', '300'];

const full = (node: TestNode) => request<FullReport>('GET', `${node.url}/health/full`);
const statusOf = async (node: TestNode, kind: string) =>
  (await request('GET', `${node.url}/health/${kind}`)).status;

/** Status of an upgrade with an unknown ticket: 403 while the node serves. */
const upgradeStatus = async (node: TestNode) => (await rawUpgrade(node, { ticket: 'A'.repeat(43) })).status;

describe('the health of upgrades', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, privatePostgres: true, redisForm: 'single' });
  });

  afterAll(() => cluster.stop());

  const postgres = (): PrivateEngine => {
    if (cluster.postgres === undefined) throw new Error('this cluster has no Postgres of its own');
    return cluster.postgres;
  };
  const both = () => Promise.all([statusOf(cluster.node, 'websocket'), upgradeStatus(cluster.node)]);
  const fill = (bytes: string) =>
    withRedis(cluster, async (redis) => {
      await redis.config('SET', 'maxmemory', bytes);
    });
  const recovered = () =>
    eventually(async () => {
      const [health, upgrade] = await both();
      return health === 200 && upgrade === 403;
    }, 'upgrades to be looked at again');

  it.each<[string, () => Promise<void> | void, () => Promise<void> | void]>([
    ['Postgres is down', () => postgres().stop(), () => postgres().restart()],
    ['Postgres is frozen', () => postgres().kill('SIGSTOP'), () => postgres().kill('SIGCONT')],
    ['Redis is down', () => cluster.redis.stop(), () => cluster.redis.restart()],
    ['Redis is frozen', () => cluster.redis.kill('SIGSTOP'), () => cluster.redis.kill('SIGCONT')],
    ['Redis is full', () => fill('1'), () => fill('0')],
  ])('is 503 while %s, from the first upgrade that gets 503', async (_what, begin, end) => {
    await recovered();
    await begin();
    try {
      await eventually(async () => (await upgradeStatus(cluster.node)) === 503, 'an upgrade to get 503');
      for (let round = 0; round < 3; round++) {
        const start = performance.now();
        expect(await both()).toEqual([503, 503]);
        expect(performance.now() - start).toBeLessThan(ANSWER_LIMIT_MS);
        expect(await statusOf(cluster.node, 'live')).toBe(200);
      }
    } finally {
      await end();
    }
    await recovered();
  });

  it('is 503 while the node drains', async () => {
    const leaving = await cluster.addNode({ DRAIN_SECONDS: '5' });
    const socket = await TestSocket.open(leaving, await aUser(cluster));
    expect(await statusOf(leaving, 'websocket')).toBe(200);
    leaving.signal('SIGTERM');
    await socket.next('server.draining');
    expect([await statusOf(leaving, 'websocket'), await upgradeStatus(leaving)]).toEqual([503, 503]);
    expect((await full(leaving)).status).toBe(200);
    await socket.close();
  });
});

describe('the full health report', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, redisForm: 'single' });
  });

  afterAll(() => cluster.stop());

  it('shows state and latency of each dependency, and nothing else', async () => {
    const up = { status: 'up', latency_ms: expect.any(Number) };
    const details = { redis: up, postgres: up, responder: up };
    expect((await full(cluster.node)).body).toEqual({
      status: 'ok',
      info: details,
      error: {},
      details,
      warnings: [],
    });
  });

  it('shows a model that is down, while the node serves everything but answers', async () => {
    const env = { RESPONDER: 'ollama', OLLAMA_URL: 'http://127.0.0.1:9', OLLAMA_MODEL: 'none' };
    const node = await cluster.addNode(env);
    const { status, body } = await full(node);
    expect([status, body.status, body.details.responder]).toEqual([200, 'degraded', { status: 'down' }]);
    expect(await statusOf(node, 'ready')).toBe(200);
  });

  it('warns of a Redis that may evict keys, and so does the log', async () => {
    const setPolicy = (policy: string) =>
      withRedis(cluster, (redis) => redis.config('SET', 'maxmemory-policy', policy));
    const warns = (warnings: string[]) =>
      eventually(
        async () => JSON.stringify((await full(cluster.node)).body.warnings) === JSON.stringify(warnings),
        `the warnings ${warnings.join()}`,
      );
    await setPolicy('allkeys-lru');
    await warns(['evicts_keys']);
    const line = await eventually(() => cluster.node.logged('redis.evicts_keys')[0], 'a line in the log');
    expect(line).toMatchObject({ level: 'warn', maxmemory_policy: 'allkeys-lru' });
    await setPolicy('noeviction');
    await warns([]);
  });
});

// A container accepts no further arguments.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary('the health while Redis loads its data from disk', () => {
  it('is loading: the node is not ready, and no upgrade is accepted', async () => {
    const settings = { ...redisSettings(), durable: true, settings: SLOW_LOADING };
    const redis = await startRedis(settings);
    let loaded: Promise<EngineProcess> | undefined;
    const cluster = await startCluster({ nodes: 1, redisForm: 'single', env: { REDIS_URL: redis.url } });
    try {
      await withRedis({ redisUrl: redis.url }, async (client) => {
        const names = Array.from({ length: KEYS_TO_LOAD }, (_, index) => `connection_test:${index}`);
        await Promise.all(names.map((name) => client.set(name, '')));
      });
      await redis.stop();
      loaded = startRedis({ ...settings, port: redis.port });
      const report = await eventually(async () => {
        const { status, body } = await full(cluster.node);
        return body.details.redis?.status === 'loading' && { status, body };
      }, 'Redis to be loading');
      expect([report.status, report.body.status]).toEqual([503, 'error']);
      expect([await statusOf(cluster.node, 'ready'), await statusOf(cluster.node, 'websocket')]).toEqual([
        503, 503,
      ]);
      await loaded;
      await eventually(async () => (await statusOf(cluster.node, 'websocket')) === 200, 'it to serve');
    } finally {
      await cluster.stop();
      await (await (loaded ?? redis)).stop();
    }
  });
});
