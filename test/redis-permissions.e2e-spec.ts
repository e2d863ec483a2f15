import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { IssuedTicket, Receipt } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

describe('a Redis that is up and refuses a command', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, redisForm: 'single' });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterEach(() => rights('+@all', '~*', 'nopass'));
  afterAll(() => cluster.stop());

  const rights = (...rules: string[]) =>
    withRedis(cluster, (redis) => redis.call('ACL', 'SETUSER', 'default', ...rules));
  const refusals = (command: string) =>
    node.logged('redis.refused').filter((line) => line.command === command);

  it.each([
    ['the ticket', ['-getdel'], 'getdel', 'pending'],
    ['the count of connections', ['-evalsha', '-eval'], 'evalsha', 'rejected'],
  ])(
    'for %s causes 503 at the upgrade, with a CRITICAL line that names the setting',
    async (_what, rules, command, state) => {
      const tickets = await Promise.all(Array.from({ length: 8 }, () => mintTicket(node, user)));
      await rights(...rules);
      for (const { ticket } of tickets) {
        const answer = await rawUpgrade(node, { ticket });
        expect([answer.status, answer.problem().code]).toEqual([503, 'dependency_unavailable']);
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
        expect(answer.body).not.toMatch(/NOPERM|getdel|evalsha/i);
      }
      await rights('+@all');
      const line = await eventually(() => refusals(command)[0], 'the line about the command');
      expect(line).toMatchObject({
        severity: 'CRITICAL',
        setting: 'REDIS_URL',
        advice: expect.stringContaining('ACL'),
        reply: expect.stringContaining('NOPERM'),
      });
      expect(refusals(command).length).toBeLessThanOrEqual(2);
      const [{ ticket, ticket_id }] = tickets as [IssuedTicket];
      const receipt = await as<Receipt>(user, 'GET', `${node.url}/websocket/tickets/${ticket_id}`, {
        expect: 200,
      });
      // The connections are counted when the user is known: the ticket is taken by then.
      expect(receipt.body.state).toBe(state);
      expect((await rawUpgrade(node, { ticket })).status).toBe(state === 'pending' ? 101 : 403);
    },
  );

  it('causes 503 over HTTP and in frames, and leaves an open socket open', async () => {
    const socket = await TestSocket.open(node, user);
    await rights('-get', '-getex', '-set', '-evalsha', '-eval');
    const answers: { status: number; body: Problem }[] = [
      await as<Problem>(user, 'GET', `${node.url}/auth/me`),
      await as<Problem>(user, 'POST', `${node.url}/websocket/ticket`, { body: {} }),
      await request('POST', `${node.url}/auth/login`, {
        body: { email: user.email, password: user.password },
      }),
    ];
    for (const { status, body } of answers)
      expect([status, body.code]).toEqual([503, 'dependency_unavailable']);
    expect((await request('GET', `${node.url}/health/live`)).status).toBe(200);
    await rights('+@all');
    await eventually(
      async () => (await as(user, 'GET', `${node.url}/auth/me`)).status === 200,
      'the way back',
    );
    expect((await socket.send('ping', {})).type).toBe('pong');
    await socket.close();
  });

  it('because of one key of another type affects only its user, and opens no breaker', async () => {
    const harmed = await aUser(cluster);
    const key = `chat_session:${harmed.user.id}:${harmed.sessionId}`;
    await withRedis(cluster, async (redis) => {
      await redis.del(key);
      await redis.rpush(key, 'x');
    });
    for (let count = 0; count < 12; count++) {
      const { status, body } = await as<Problem>(harmed, 'GET', `${node.url}/auth/me`);
      expect([status, body.code]).toEqual([503, 'dependency_unavailable']);
      await as(user, 'GET', `${node.url}/auth/me`, { expect: 200 });
    }
    expect(await metric(node, 'chat_breaker_state', { dependency: 'redis' })).toBe(0);
    const line = await eventually(
      () => node.logged('redis.refused').find(({ reply }) => String(reply).includes('WRONGTYPE')),
      'the line about the key',
    );
    expect(line).toMatchObject({ severity: 'CRITICAL', setting: 'REDIS_URL', key });
  });

  it('because it has a password now causes 503, and the line about the connection names the setting', async () => {
    const url = new URL(cluster.redisUrl);
    await rights('resetpass', '>another-one');
    url.password = 'another-one';
    url.username = 'default';
    const reformed = { redisUrl: url.href };
    try {
      await withRedis(reformed, (redis) => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
      const answer = await eventually(async () => {
        const probe = await rawUpgrade(node, { ticket: 'A'.repeat(43) });
        return probe.status !== 403 && probe;
      }, 'a connection that is not let in');
      expect([answer.status, answer.problem().code]).toEqual([503, 'dependency_unavailable']);
      const line = await eventually(
        () => node.logged('redis.lost').find(({ error }) => String(error).includes('NOAUTH')),
        'the line about the password',
      );
      expect(line).toMatchObject({
        severity: 'CRITICAL',
        setting: 'REDIS_URL',
        advice: expect.stringContaining('password'),
      });
    } finally {
      await withRedis(reformed, (redis) => redis.call('ACL', 'SETUSER', 'default', 'nopass'));
    }
    await eventually(
      async () => (await request('GET', `${node.url}/health/ready`)).status === 200,
      'the way back',
    );
  });
});
