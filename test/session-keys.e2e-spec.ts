import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Problem } from '../protocol/errors.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { dump, keysOf, withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const SESSION_SECONDS = 1800;
/** The nouns of the contract; every key begins with one of them. */
const NOUNS =
  /^(chat_session:|ws_ticket:|ws_ticket_receipt:|(user|session|ticket|receipt|connection|conversation|event|message|run|delta|node)[_:])/;

describe('in Redis', () => {
  let cluster: Cluster;
  let user: TestUser;
  const tickets: string[] = [];

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    user = await aUser(cluster);
    await useEverything();
  });

  afterAll(() => cluster.stop());

  /** Leaves every kind of key that ordinary use leaves. */
  async function useEverything(): Promise<void> {
    const { node } = cluster;
    const { id: conversation_id } = await createConversation(node, user);
    const socket = await TestSocket.open(node, user);
    const data = { conversation_id, client_message_id: randomUUID(), content: 'What time is it?' };
    expect((await socket.send('message.send', data)).type).toBe('message.accepted');
    await socket.next('run.completed');
    for (let count = 0; count < 3; count++) tickets.push((await mintTicket(node, user)).ticket);
    await rawUpgrade(node, { ticket: tickets[0] });
    const burnt = await mintTicket(node, user);
    await as(user, 'DELETE', `${node.url}/websocket/tickets/${burnt.ticket_id}`, { expect: 204 });
    const left = await aUser(cluster);
    tickets.push((await mintTicket(node, left)).ticket);
    await as(left, 'POST', `${node.url}/auth/logout`, { expect: 204 });
  }

  const sessionKey = (of: TestUser) => `chat_session:${of.user.id}:${of.sessionId}`;

  it('a session tells operators whose it is, since when, and where its sockets are', async () => {
    const json = await withRedis(cluster, (redis) => redis.get(sessionKey(user)));
    expect(JSON.parse(json ?? '')).toMatchObject({
      user_id: user.user.id,
      email: user.email,
      role: 'user',
      connected_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      websocket_endpoint: `${cluster.node.wsUrl}/ws`,
      session_id: user.sessionId,
    });
  });

  it('a session lives 1800 seconds from its last use, and dies without use', async () => {
    const idle = await aUser(cluster);
    await withRedis(cluster, async (redis) => {
      const key = sessionKey(idle);
      expect(await redis.ttl(key)).toBeGreaterThan(SESSION_SECONDS - 10);
      expect(await redis.ttl(key)).toBeLessThanOrEqual(SESSION_SECONDS);
      await redis.expire(key, 100);
      await as(idle, 'GET', `${cluster.node.url}/auth/me`, { expect: 200 });
      expect(await redis.ttl(key)).toBeGreaterThan(SESSION_SECONDS - 10);
      await redis.pexpire(key, 1);
      // A request to the server before the key is gone would count as a use, and extend it by 1800 s.
      await eventually(async () => (await redis.exists(key)) === 0, 'the end of an idle session');
    });
    const answer = await as<Problem>(idle, 'GET', `${cluster.node.url}/auth/me`, { expect: 401 });
    expect(answer.body.code).toBe('session_expired');
  });

  it('a session lives on while a socket of it is open', async () => {
    const brief = await cluster.addNode({ SESSION_TTL_SECONDS: '10' });
    const quiet = await aUser(cluster, brief);
    const socket = await TestSocket.open(brief, quiet);
    await withRedis(cluster, async (redis) => {
      await redis.pexpire(sessionKey(quiet), 6000);
      await eventually(async () => (await redis.pttl(sessionKey(quiet))) > 6000, 'a longer life', 6000);
    });
    await socket.close();
  });

  it('a session whose refresh tokens are missing has expired for a client that presents one', async () => {
    const robbed = await aUser(cluster);
    await withRedis(cluster, (redis) => redis.del(`session_refresh:${robbed.user.id}:${robbed.sessionId}`));
    const body = { refresh_token: robbed.refreshToken };
    const answer = await request('POST', `${cluster.node.url}/auth/refresh`, { body, expect: 401 });
    expect(answer.body.code).toBe('session_expired');
  });

  it('a session ends at its absolute end, however active it is', async () => {
    const tireless = await aUser(cluster);
    await withRedis(cluster, async (redis) => {
      const key = sessionKey(tireless);
      const record = JSON.parse((await redis.get(key)) ?? '') as { absolute_expires_at: number };
      expect(record.absolute_expires_at - Date.now()).toBeLessThanOrEqual(12 * 3_600_000);
      await redis.set(key, JSON.stringify({ ...record, absolute_expires_at: Date.now() - 1 }), 'KEEPTTL');
    });
    const { status, body } = await as<Problem>(tireless, 'GET', `${cluster.node.url}/auth/me`);
    expect([status, body.code]).toEqual([401, 'session_expired']);
  });

  it('a user keeps no list of sessions that could live no longer', async () => {
    const frequent = await aUser(cluster);
    const index = `session_index:${frequent.user.id}`;
    await withRedis(cluster, async (redis) => {
      await redis.zadd(index, Date.now() - 1, frequent.sessionId);
      const again = await signIn(cluster.node, frequent.email, frequent.password);
      expect(await redis.zrange(index, 0, '-1')).toEqual([again.sessionId]);
    });
  });

  it('every key has an end and begins with a noun of the contract', async () => {
    await withRedis(cluster, async (redis) => {
      const keys = await keysOf(redis);
      expect(keys.length).toBeGreaterThan(5);
      for (const key of keys) {
        expect(key).toMatch(NOUNS);
        // -2: the key expired after it was listed.
        expect({ key, hasEnd: (await redis.pttl(key)) !== -1 }).toEqual({ key, hasEnd: true });
      }
    });
  });

  it('no credential is anywhere, neither in a key nor in a value', async () => {
    const contents = await withRedis(cluster, dump);
    const text = [...contents].flat().join('\n');
    expect(text).toContain(user.sessionId);
    const secrets = [
      ...tickets,
      user.accessToken,
      user.accessToken.split('.')[2],
      user.refreshToken,
      user.password,
    ];
    for (const secret of secrets) expect(text).not.toContain(secret);
  });

  it('nothing is left of an ended session but the reason why it ended', async () => {
    const left = await aUser(cluster);
    await as(left, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });
    await withRedis(cluster, async (redis) => {
      expect(await keysOf(redis, `chat_session:${left.user.id}:*`)).toEqual([]);
      const keys = await keysOf(redis, `*${left.sessionId}*`);
      for (const key of keys) expect(await redis.get(key)).toBe('logout');
      expect([...(await dump(redis))].filter(([, text]) => text.includes(left.sessionId))).toEqual([]);
    });
  });
});
