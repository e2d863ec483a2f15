import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Problem } from '../protocol/errors.js';
import type { User } from '../protocol/resources.js';
import type { ConnectionPage } from '../src/websocket/connections/connection-entry.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { anAdmin, as, aUser, createConversation, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

describe('an administrator', () => {
  let cluster: Cluster;
  let url: string;
  let admin: TestUser;

  beforeAll(async () => {
    cluster = await startCluster();
    ({ url } = cluster.node);
    admin = await anAdmin(cluster);
  });

  afterAll(() => cluster.stop());

  const change = (actor: TestUser, userId: string, body: unknown) =>
    as<Problem & { user: User }>(actor, 'PATCH', `${url}/admin/users/${userId}`, { body });
  const revoke = (userId: string) => as<Problem>(admin, 'POST', `${url}/admin/users/${userId}/revoke`);
  const codeOf = ({ status, body }: { status: number; body: Problem }) => [status, body?.code];

  async function pages(limit: number): Promise<ConnectionPage[]> {
    const all: ConnectionPage[] = [];
    let cursor = '';
    do {
      const path = `${url}/admin/connections?limit=${limit}${cursor}`;
      const { body } = await as<ConnectionPage>(admin, 'GET', path, { expect: 200 });
      all.push(body);
      cursor = body.next_cursor === undefined ? '' : `&cursor=${body.next_cursor}`;
    } while (cursor !== '');
    return all;
  }

  /** A slow answer whose owner waits for it on the second node. */
  async function longRun(user: TestUser) {
    const { id: conversation_id } = await createConversation(cluster.node, user);
    const socket = await TestSocket.open(cluster.other, user);
    const content = 'Count to 2000';
    const data = { conversation_id, client_message_id: randomUUID(), content };
    expect((await socket.send('message.send', data)).type).toBe('message.accepted');
    await socket.next('message.delta');
    const status = async () => {
      const rows = await cluster.sql('SELECT status FROM runs WHERE conversation_id = $1', [conversation_id]);
      return (rows as { status: string }[])[0]?.status;
    };
    return { socket, status };
  }

  it('is a user with the role; every route is forbidden to all others', async () => {
    const user = await aUser(cluster);
    const [id, con] = [randomUUID(), `con_${randomUUID()}`];
    const routes: [method: string, path: string, body?: unknown][] = [
      ['GET', '/admin/connections'],
      ['DELETE', `/admin/connections/${con}`],
      ['POST', `/admin/users/${id}/revoke`],
      ['PATCH', `/admin/users/${id}`, { disabled: true }],
    ];
    for (const [method, path, body] of routes) {
      expect(codeOf(await as<Problem>(user, method, url + path, { body }))).toEqual([403, 'forbidden']);
      expect(codeOf(await request(method, url + path, { body }))).toEqual([401, 'token_missing']);
    }
  });

  it('sees who is connected on every node, page by page', async () => {
    const user = await aUser(cluster);
    const sockets = [];
    for (const node of [cluster.node, cluster.other, cluster.other])
      sockets.push(await TestSocket.open(node, user));
    const found = await eventually(async () => {
      const own = (await pages(2)).flatMap(({ connections }) => connections);
      const mine = own.filter(({ user_id }) => user_id === user.user.id);
      return mine.length === 3 && mine;
    }, 'three connections in the list');
    const opened = sockets.map((socket) => socket.all('ready')[0]?.data);
    for (const ready of opened) {
      expect(found).toContainEqual({
        connection_id: ready?.connection_id,
        user_id: user.user.id,
        email: user.email,
        session_id: user.sessionId,
        client_id: ready?.client_id,
        node: ready?.node,
        address: '127.0.0.1',
        connected_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      });
    }
    expect(new Set(found.map(({ node }) => node)).size).toBe(2);
    await sockets[0]?.close();
    await eventually(
      async () => !JSON.stringify(await pages(200)).includes(opened[0]?.connection_id ?? ''),
      'the end of one in the list',
    );
    const counted = () => withRedis(cluster, (redis) => redis.zcard(`connection_index:${user.user.id}`));
    await eventually(async () => (await counted()) === 2, 'two counted connections');
    // A Redis that has lost its data is told again.
    await withRedis(cluster, async (redis) => redis.del(...(await redis.keys('connection_*'))));
    expect(await counted()).toBe(0);
    await eventually(async () => (await counted()) === 2, 'the connections to be counted again');
    const listed = JSON.stringify(await pages(200));
    for (const ready of opened.slice(1)) expect(listed).toContain(ready?.connection_id);
    const beyond = await as(admin, 'GET', `${url}/admin/connections?cursor=con_z`, { expect: 200 });
    expect(beyond.body).toEqual({ connections: [] });
  });

  it('closes a connection on any node, and its client may come back', async () => {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(cluster.other, user);
    const id = socket.all('ready')[0]?.data.connection_id ?? '';
    const end = (name: string) => as<Problem>(admin, 'DELETE', `${url}/admin/connections/${name}`);
    await eventually(async () => (await end(id)).status === 204, 'the connection in the list');
    expect(await socket.closes(1000)).toEqual({ code: 4101, reason: 'rebalance' });
    await TestSocket.open(cluster.other, user);
    for (const name of [`con_${randomUUID()}`, 'x'])
      expect(codeOf(await end(name))).toEqual([404, 'not_found']);
  });

  it('ends every session of a user: the answer stops, and the user may sign in again', async () => {
    const user = await aUser(cluster);
    const { socket, status } = await longRun(user);
    expect((await revoke(user.user.id)).status).toBe(204);
    expect((await socket.next('session.revoked', undefined, 1000)).data.reason).toBe('admin');
    expect((await socket.closes(1000)).code).toBe(4410);
    expect(codeOf(await as<Problem>(user, 'GET', `${url}/auth/me`))).toEqual([401, 'session_revoked']);
    await eventually(async () => (await status()) === 'cancelled', 'the end of the run');
    await signIn(cluster.node, user.email, user.password);
  });

  it('disables an account: its sockets close, its answers stop and sign-ins are refused until it is enabled', async () => {
    const user = await aUser(cluster);
    const { socket, status } = await longRun(user);
    const { status: answered, body } = await change(admin, user.user.id, { disabled: true });
    expect([answered, body]).toEqual([200, { user: user.user }]);
    expect((await socket.next('session.revoked', undefined, 1000)).data.reason).toBe('user_disabled');
    expect((await socket.closes(1000)).code).toBe(4410);
    await eventually(async () => (await status()) === 'cancelled', 'the end of the run');
    const credentials = { body: { email: user.email, password: user.password } };
    expect(codeOf(await request('POST', `${url}/auth/login`, credentials))).toEqual([403, 'user_disabled']);
    expect(codeOf(await as<Problem>(user, 'GET', `${url}/auth/me`))).toEqual([403, 'user_disabled']);
    const refresh = { body: { refresh_token: user.refreshToken } };
    expect(codeOf(await request('POST', `${url}/auth/refresh`, refresh))).toEqual([403, 'user_disabled']);
    expect((await change(admin, user.user.id, { disabled: false })).status).toBe(200);
    await signIn(cluster.node, user.email, user.password);
  });

  it('changes a role at once: sockets reconnect with it, and earlier tokens have it', async () => {
    const user = await aUser(cluster);
    const gone = await signIn(cluster.node, user.email, user.password);
    const keyOf = ({ sessionId }: TestUser) => `chat_session:${user.user.id}:${sessionId}`;
    await withRedis(cluster, (redis) => redis.del(keyOf(gone)));
    const socket = await TestSocket.open(cluster.other, user);
    expect((await change(admin, user.user.id, { role: 'admin' })).body.user.role).toBe('admin');
    expect(await socket.closes(1000)).toEqual({ code: 4100, reason: 'auth_expired;cause=role_changed' });
    await withRedis(cluster, async (redis) => {
      expect(await redis.ttl(keyOf(user))).toBeGreaterThan(0);
      expect(await redis.exists(keyOf(gone))).toBe(0);
    });
    const back = await TestSocket.open(cluster.other, user);
    expect(back.all('ready')[0]?.data.user.role).toBe('admin');
    await as(user, 'GET', `${url}/admin/connections`, { expect: 200 });
    await change(admin, user.user.id, { role: 'user' });
    expect((await back.closes(1000)).code).toBe(4100);
    expect(codeOf(await as<Problem>(user, 'GET', `${url}/admin/connections`))).toEqual([403, 'forbidden']);
  });

  it('cannot disable or demote himself, and gets an error for unknown users and empty changes', async () => {
    // Otherwise he would be the last one, and be refused for that reason.
    await anAdmin(cluster);
    for (const body of [{ disabled: true }, { role: 'user' }, {}, { role: 'root' }, { disabled: 'yes' }]) {
      expect(codeOf(await change(admin, admin.user.id, body))).toEqual([400, 'validation_failed']);
    }
    for (const id of [randomUUID(), 'x']) {
      expect(codeOf(await change(admin, id, { role: 'user' }))).toEqual([404, 'not_found']);
      expect(codeOf(await revoke(id))).toEqual([404, 'not_found']);
    }
    await as(admin, 'GET', `${url}/admin/connections`, { expect: 200 });
  });
});
