import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Problem } from '../protocol/errors.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { startRedisCluster } from '../scripts/engines/redis-cluster.js';
import { startRedisSentinel } from '../scripts/engines/redis-sentinel.js';
import type { ReplicatedServers } from '../scripts/engines/redis-replication.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { redisSettings } from './support/engines.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket, type TestUser } from './support/user.js';
import { eventually, within } from './support/waiting.js';

/** Within this time a node knows that Redis serves again. */
const RECOVERY_LIMIT_MS = 3000;

type Admin = (command: string, ...args: (string | number)[]) => Promise<unknown>;

const healthOf = async (node: TestNode, kind: string) =>
  (await request('GET', `${node.url}/health/${kind}`)).status;
const isReady = async (node: TestNode) => (await healthOf(node, 'ready')) === 200;
const warningsOf = async (node: TestNode) =>
  (await request<{ warnings: string[] }>('GET', `${node.url}/health/full`)).body.warnings;

describe('a Redis that is up', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;
  let client: Redis;
  /** Of before: it needs no other connection. */
  let admin: Admin;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, redisForm: 'single' });
    node = cluster.node;
    user = await aUser(cluster);
    client = new Redis(cluster.redisUrl, { maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    admin = (command, ...args) => client.call(command, ...args);
    await admin('CONFIG', 'SET', 'lua-time-limit', 50);
  });

  afterEach(() => eventually(() => isReady(node), 'the node to be ready again'));

  afterAll(async () => {
    client.disconnect();
    await cluster.stop();
  });

  const knocks = async () => {
    const { email, password } = user;
    const answers = await Promise.all([
      as<Problem>(user, 'GET', `${node.url}/auth/me`),
      as<Problem>(user, 'POST', `${node.url}/websocket/ticket`, { body: {} }),
      request('POST', `${node.url}/auth/login`, { body: { email, password } }),
    ]);
    const upgrade = await rawUpgrade(node, { ticket: 'A'.repeat(43) });
    return [
      ...answers.map(({ status, body, headers }) => [
        status,
        body.code,
        Number(headers.get('retry-after')) > 0,
      ]),
      [upgrade.status, upgrade.problem().code, Number(upgrade.headers['retry-after']) > 0],
    ];
  };
  const recovered = async () => {
    const start = performance.now();
    await eventually(() => isReady(node), 'the node to be ready again');
    expect(performance.now() - start).toBeLessThan(RECOVERY_LIMIT_MS);
    expect(await healthOf(node, 'websocket')).toBe(200);
    const socket = await TestSocket.open(node, user);
    await socket.close();
  };
  const occupy = () => {
    const other = new Redis(cluster.redisUrl);
    // It ends with an error, because it is killed.
    other.eval('while true do end', 0).then(
      () => other.disconnect(),
      () => other.disconnect(),
    );
  };

  it.each<[string, () => unknown, () => unknown, RegExp, RegExp]>([
    [
      'it has too few replicas',
      () => admin('CONFIG', 'SET', 'min-replicas-to-write', 1),
      () => admin('CONFIG', 'SET', 'min-replicas-to-write', 0),
      /^NOREPLICAS/,
      /min-replicas-to-write/,
    ],
    ['a script runs on', occupy, () => admin('SCRIPT', 'KILL'), /^BUSY/, /SCRIPT KILL/],
    [
      'it is a replica',
      () => admin('REPLICAOF', '127.0.0.1', 1),
      () => admin('REPLICAOF', 'NO', 'ONE'),
      /^READONLY/,
      /replica/,
    ],
    [
      'its memory is full',
      () => admin('CONFIG', 'SET', 'maxmemory', 1),
      () => admin('CONFIG', 'SET', 'maxmemory', 0),
      /^OOM/,
      /maxmemory/,
    ],
  ])('makes the node not ready while %s, and one CRITICAL line says why', async (...row) => {
    const [, begin, end, reply, advice] = row;
    const watcher = await TestSocket.open(node, user);
    const told = node.logged('redis.refused').length;
    const lost = node.logged('redis.lost').length;
    await begin();
    try {
      await eventually(async () => !(await isReady(node)), 'the node not to be ready');
      const refusal = [503, 'dependency_unavailable', true];
      const [me, ...others] = await knocks();
      // A session is read and kept alive also while the memory is full, until the breaker has seen enough of other refusals.
      expect([reply.source === '^OOM' ? [200, undefined, false] : refusal, refusal]).toContainEqual(me);
      expect(others).toEqual([refusal, refusal, refusal]);
      expect([await healthOf(node, 'ready'), await healthOf(node, 'websocket')]).toEqual([503, 503]);
      expect([await healthOf(node, 'live'), await metric(node, 'chat_redis_up')]).toEqual([200, 0]);
    } finally {
      await end();
    }
    await recovered();
    expect(await metric(node, 'chat_redis_up')).toBe(1);
    const lines = node.logged('redis.refused').slice(told);
    const line = expect.objectContaining({
      severity: 'CRITICAL',
      setting: 'REDIS_URL',
      reply: expect.stringMatching(reply),
      advice: expect.stringMatching(advice),
    });
    // One in ten seconds.
    expect(lines).toEqual(lines.length < 2 ? [line] : [line, line]);
    expect(node.logged('redis.lost').slice(lost)).toEqual([]);
    expect((await watcher.send('ping', {})).type).toBe('pong');
    await watcher.close();
  });

  it('ends no node when it withdraws the channels, and the node listens again as soon as it may', async () => {
    const early = await TestSocket.open(node, user);
    await admin('ACL', 'SETUSER', 'default', 'resetchannels');
    let late: TestNode;
    try {
      await eventually(async () => !(await isReady(node)), 'the node not to be ready');
      late = await cluster.addNode();
      for (const one of [node, late]) {
        expect([await healthOf(one, 'ready'), await healthOf(one, 'websocket')]).toEqual([503, 503]);
        const line = await eventually(
          () => one.logged('redis.refused').find(({ command }) => command === 'subscribe'),
          'the line about subscriptions',
        );
        expect(line).toMatchObject({ severity: 'CRITICAL', advice: expect.stringContaining('channel') });
      }
    } finally {
      await admin('ACL', 'SETUSER', 'default', 'allchannels');
    }
    await recovered();
    await eventually(() => isReady(late), 'the node that came meanwhile to be ready');
    const other = await TestSocket.open(late, user);
    await as(user, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    for (const socket of [early, other])
      expect((await within(socket.closed, 'the end of the session to be heard')).code).toBe(4410);
    user = await aUser(cluster);
  });

  it('is quoted in the log when it hangs up for lack of room', async () => {
    const { ticket } = await mintTicket(node, user);
    await admin('CONFIG', 'SET', 'maxclients', 1);
    try {
      for (const type of ['normal', 'pubsub']) await admin('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      const line = await eventually(
        () => node.logged('redis.lost').find(({ error }) => String(error).includes('max number of clients')),
        'the line about the reply',
      );
      expect(line).toMatchObject({ severity: 'CRITICAL', advice: expect.stringContaining('maxclients') });
      expect([await healthOf(node, 'ready'), (await rawUpgrade(node, { ticket })).status]).toEqual([
        503, 503,
      ]);
    } finally {
      await admin('CONFIG', 'SET', 'maxclients', 10_000);
    }
    await recovered();
    expect((await rawUpgrade(node, { ticket })).status).toBe(101);
  });

  it('shows in health, log and metric when it may evict keys, and when it hides its policy', async () => {
    const shows = async (warnings: string[], value: number) => {
      await eventually(
        async () => JSON.stringify(await warningsOf(node)) === JSON.stringify(warnings),
        `the warnings ${warnings.join()}`,
      );
      expect(await metric(node, 'chat_redis_evicts_keys')).toBe(value);
    };
    await shows([], 0);
    await admin('ACL', 'SETUSER', 'default', '-info');
    await admin('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru');
    await shows(['evicts_keys'], 1);
    const told = await eventually(() => node.logged('redis.evicts_keys')[0], 'a line about it');
    expect(told).toMatchObject({ maxmemory_policy: 'volatile-lru' });
    await admin('ACL', 'SETUSER', 'default', '-config');
    await shows(['eviction_unknown'], -1);
    const late = await cluster.addNode();
    const line = await eventually(() => late.logged('redis.eviction_unknown')[0], 'a line at the start');
    expect(line).toMatchObject({
      level: 'warn',
      setting: 'REDIS_URL',
      advice: expect.stringContaining('INFO'),
    });
  });
});

const forms: [string, () => Promise<ReplicatedServers>][] = [
  ['a cluster', () => startRedisCluster({ ...redisSettings(), durable: false })],
  ['a master behind sentinels', () => startRedisSentinel({ ...redisSettings(), durable: false })],
];

// A container publishes one port; the servers must reach each other.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary.each(forms)('with %s', (_form, start) => {
  let redis: ReplicatedServers;
  let cluster: Cluster;

  beforeAll(async () => {
    redis = await start();
    cluster = await startCluster({ nodes: 1, redisForm: 'single', env: { REDIS_URL: redis.url } });
  });

  afterAll(async () => {
    await cluster?.stop();
    await redis?.stop();
  });

  it('notices one master that refuses writes, and one that may evict keys', async () => {
    const { node } = cluster;
    const master = new Redis(redis.servers[0]!.url);
    try {
      await master.config('SET', 'min-replicas-to-write', 2);
      await master.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await eventually(async () => !(await isReady(node)), 'the node not to be ready');
      const isTold = () =>
        [...node.logged('redis.part_lost'), ...node.logged('redis.refused')].some(({ error, reply }) =>
          String(error ?? reply).includes('NOREPLICAS'),
        );
      await eventually(isTold, 'a line that names the reply');
      await master.config('SET', 'min-replicas-to-write', 0);
      await eventually(() => isReady(node), 'the node to be ready again');
      await eventually(async () => (await warningsOf(node)).includes('evicts_keys'), 'the warning');
    } finally {
      master.disconnect();
    }
  });
});
