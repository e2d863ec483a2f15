import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { currentRun } from '../scripts/testing/test-run.js';
import { aChat, ask, countTo, endOf, textOf, watch } from './chat.support.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import {
  hasTls,
  type SecuredRedis,
  withCluster,
  withTlsCluster,
  withPassword,
  withSentinels,
  withTls,
  withUser,
} from './support/secured-redis.js';
import { aUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const forms: [string, () => Promise<SecuredRedis>][] = [
  ['one server with a password', withPassword],
  ['one server with a user of our own', withUser],
  ...(hasTls() ? [['one server behind TLS', withTls] satisfies (typeof forms)[number]] : []),
  ['sentinels with a password of their own', withSentinels],
  ['a cluster with a password', withCluster],
  ['a cluster behind TLS', withTlsCluster],
];

// A container publishes one port, and accepts no further arguments.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary.each(forms)('with %s', (_form, start) => {
  let redis: SecuredRedis;
  let cluster: Cluster;

  beforeAll(async () => {
    redis = await start();
    cluster = await startCluster({ nodes: 1, redisForm: 'single', env: { ...redis.way } });
  });

  afterAll(async () => {
    await cluster?.stop();
    await redis?.stop();
  });

  const readiness = async (node: { url: string }) =>
    (await request('GET', `${node.url}/health/ready`)).status;

  it('tickets open sockets, and an answer streams to them', async () => {
    const chat = await aChat(cluster.node, await aUser(cluster));
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'count to 20');
    for (const socket of [chat.socket, watcher]) {
      expect(textOf(socket, (await endOf(socket, run_id)).message_id)).toBe(countTo(20));
      await socket.close();
    }
    expect(await readiness(cluster.node)).toBe(200);
  });

  it('a node with wrong settings logs why it cannot connect, and is not ready', async () => {
    const { REDIS_URL, NODE_EXTRA_CA_CERTS = '' } = redis.wrong;
    const node = await cluster.addNode({ REDIS_URL, NODE_EXTRA_CA_CERTS });
    const reasons = () =>
      new Map(node.logged('redis.lost').map(({ connection, error }) => [connection, error]));
    await eventually(() => reasons().size === 2, 'the reason of each connection');
    expect([...reasons().values()].join('\n')).toMatch(redis.complaint);
    expect(await readiness(node)).toBe(503);
  });
});
