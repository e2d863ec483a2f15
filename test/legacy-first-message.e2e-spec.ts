import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const LIMIT_MS = 5000;

describe('a credential in the first message', () => {
  let cluster: Cluster;
  let open: TestNode;
  let closed: TestNode;
  let strict: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env: { WS_MAX_CONNECTIONS_PER_SESSION: '3' } });
    closed = cluster.node;
    open = await cluster.addNode({ FLAG_LEGACY_FIRST_MESSAGE: 'true' });
    strict = await cluster.addNode({ FLAG_LEGACY_FIRST_MESSAGE: 'true', FLAG_TICKET_REQUIRED: 'true' });
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  /** Opens a socket without a credential and sends these frames at once. */
  async function say(node: TestNode, ...frames: (object | string)[]): Promise<TestSocket> {
    const socket = await TestSocket.connect(node);
    for (const frame of frames) socket.sendRaw(typeof frame === 'string' ? frame : JSON.stringify(frame));
    return socket;
  }

  /** The error and the close code of a socket; it may have received no other frame. */
  async function endOf(socket: TestSocket) {
    const { code } = await socket.closes();
    expect(socket.frames.map(({ type }) => type)).toEqual(['error']);
    const [frame] = socket.frames as unknown as { error: string; data: { code: string } }[];
    return { code, error: frame?.error, cause: frame?.data.code };
  }

  it('opens nothing while the flag is off', async () => {
    const answer = await rawUpgrade(closed);
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
  });

  it.each(['initial', 'message'])('opens an ordinary socket with {type: "%s"}', async (type) => {
    const labels = { method: 'first_message' };
    const before = await metric(open, 'chat_legacy_auth_total', labels);
    const frame = { type, token: user.accessToken, user_id: user.user.id };
    const socket = await say(open, frame);
    const { data } = await socket.next('ready');
    expect(data).toMatchObject({
      user: user.user,
      session_id: user.sessionId,
      auth: { method: 'first_message' },
    });
    expect((await socket.send('ping', { t: 1 })).type).toBe('pong');
    await socket.close();
    expect(await metric(open, 'chat_legacy_auth_total', labels)).toBe(before + 1);
  });

  it('gets the date when this way ends', async () => {
    const answer = await rawUpgrade(open);
    expect([answer.status, answer.headers.deprecation?.[0]]).toEqual([101, '@']);
    expect(answer.headers.sunset).toMatch(/GMT$/);
  });

  it('keeps the frames that follow it, in order, and loses none', async () => {
    const pings = Array.from({ length: 20 }, (_, index) => ({
      type: 'ping',
      id: `p${index}`,
      data: { t: index },
    }));
    const socket = await say(open, { type: 'initial', token: user.accessToken }, ...pings);
    await socket.next('pong', ({ data }) => data.t === 19);
    expect(socket.frames.map(({ type }) => type)).toEqual(['ready', ...pings.map(() => 'pong')]);
    expect(socket.all('pong').map(({ data }) => data.t)).toEqual(pings.map(({ data }) => data.t));
    await socket.close();
  });

  it('opens the socket of the conversation that it names', async () => {
    const { id } = await createConversation(closed, user);
    const socket = await say(open, { type: 'initial', token: user.accessToken, conversation_id: id });
    expect((await socket.next('ready')).data.conversation_id).toBe(id);
    const body = { client_message_id: randomUUID(), content: 'What time is it?' };
    await as(user, 'POST', `${closed.url}/conversations/${id}/messages`, { body, expect: 202 });
    expect((await socket.next('message.created')).conversation_id).toBe(id);
    await socket.close();
  });

  it('closes the socket with the old text when it contains no token', async () => {
    const expected = { code: 1008, error: 'user_id required', cause: 'token_missing' };
    expect(await endOf(await say(open, { type: 'initial' }))).toEqual(expected);
    expect(await endOf(await say(open, { type: 'initial', user_id: user.user.id }))).toEqual(expected);
  });

  it('closes the socket with the old text for a conversation of another user', async () => {
    const others = await createConversation(closed, await aUser(cluster));
    const expected = { code: 1008, error: 'Conversation not found or access denied' };
    for (const conversation_id of [others.id, randomUUID(), 'x', 7]) {
      const frame = { type: 'initial', token: user.accessToken, conversation_id };
      expect(await endOf(await say(open, frame))).toMatchObject(expected);
    }
  });

  it('closes the socket for an invalid token, and for a frame that is not a first message', async () => {
    const left = await aUser(cluster);
    await as(left, 'POST', `${closed.url}/auth/logout`, { expect: 204 });
    const causes: [object | string, string][] = [
      [{ type: 'initial', token: 'null' }, 'token_malformed'],
      [{ type: 'initial', token: 'a.b.c' }, 'token_malformed'],
      [{ type: 'initial', token: left.accessToken }, 'session_revoked'],
      [{ type: 'ping', data: {} }, 'frame_invalid'],
      [{ type: 'message.send', id: '1', data: {} }, 'frame_invalid'],
      ['[]', 'frame_invalid'],
      ['{', 'frame_invalid'],
    ];
    for (const [frame, cause] of causes)
      expect(await endOf(await say(open, frame))).toMatchObject({ code: 1008, cause });
  });

  it('is a spoof when it says that it is somebody else: closes with 4403, and is reported as critical', async () => {
    for (const user_id of [randomUUID(), 'admin', 7]) {
      const socket = await say(open, { type: 'initial', token: user.accessToken, user_id });
      expect(await endOf(socket)).toMatchObject({ code: 4403, cause: 'forbidden' });
    }
    await eventually(() => open.logged('auth.user_id_spoofed').length > 0, 'the raised line');
    expect(open.logged('auth.user_id_spoofed')[0]).toMatchObject({
      severity: 'CRITICAL',
      user_id: user.user.id,
    });
    const rows = () =>
      cluster.sql("SELECT 1 FROM audit_log WHERE event = 'auth.user_id_spoofed' AND user_id = $1", [
        user.user.id,
      ]);
    await eventually(async () => (await rows()).length === 3, 'the audited spoofs');
  });

  it('must be text, and is ignored after a binary frame', async () => {
    const socket = await TestSocket.connect(open);
    socket.sendRaw(Buffer.from('{}'));
    socket.sendRaw(JSON.stringify({ type: 'initial', token: user.accessToken }));
    expect((await socket.closes()).code).toBe(1003);
    expect(socket.frames).toEqual([]);
  });

  it('counts no connection of a client that leaves before the decision', async () => {
    const owner = await aUser(cluster);
    const first = { type: 'initial', token: owner.accessToken };
    for (let count = 0; count < 3; count++) await (await say(open, first)).cut();
    const counted = () => withRedis(cluster, (redis) => redis.zcard(`connection_index:${owner.user.id}`));
    await eventually(async () => (await counted()) === 0, 'no connection counted');
    await (await say(open, first)).next('ready');
  });

  it('has five seconds to arrive', async () => {
    const started = Date.now();
    const socket = await say(open);
    expect(await endOf(socket)).toEqual({ code: 1008, error: 'user_id required', cause: 'token_missing' });
    expect(Date.now() - started).toBeGreaterThan(LIMIT_MS - 100);
    expect(Date.now() - started).toBeLessThan(LIMIT_MS + 2000);
  });

  it('closes the socket for a user who must use tickets', async () => {
    const socket = await say(strict, { type: 'initial', token: user.accessToken });
    expect(await endOf(socket)).toMatchObject({ code: 1008, cause: 'auth_method_disabled' });
  });

  it('opens a socket that counts as a connection of its session, and ends with it', async () => {
    const owner = await aUser(cluster);
    const frame = { type: 'initial', token: owner.accessToken };
    const sockets = await Promise.all([1, 2, 3].map(() => say(open, frame)));
    await Promise.all(sockets.map((socket) => socket.next('ready')));
    expect(await endOf(await say(open, frame))).toMatchObject({ code: 4413, cause: 'connection_limit' });
    await as(owner, 'POST', `${closed.url}/auth/logout`, { expect: 204 });
    for (const socket of sockets) expect((await socket.closes()).code).toBe(4410);
  });

  it('is refused for a page of another origin', async () => {
    const answer = await rawUpgrade(open, { origin: 'https://evil.example' });
    expect([answer.status, answer.problem().code]).toEqual([403, 'origin_not_allowed']);
  });

  describe('the old greeting', () => {
    const greeting = (user_id: string) => ({
      type: 'message',
      data: { type: 'initial', user_id, username: 'a', conversation_id: 'c' },
      timestamp: 1,
    });

    it('changes nothing on an old client’s socket', async () => {
      const first = { type: 'initial', token: user.accessToken };
      const socket = await say(open, first, greeting(user.user.id));
      expect((await socket.send('ping', { t: 2 })).type).toBe('pong');
      expect(socket.frames.map(({ type }) => type)).toEqual(['ready', 'pong']);
      await socket.close();
    });

    it('is the only old frame: others are answered as on any socket', async () => {
      const socket = await say(open, { type: 'initial', token: user.accessToken }, { type: 'message' });
      expect((await socket.next('error')).data.code).toMatch(/^frame_/);
      await socket.close();
    });

    it('is a spoof when it says that it is somebody else', async () => {
      const first = { type: 'initial', token: user.accessToken };
      const socket = await say(open, first, greeting(randomUUID()));
      expect((await socket.closes()).code).toBe(4403);
      expect(socket.all('error').map(({ data }) => data.code)).toEqual(['forbidden']);
    });

    it('admits nobody by itself', async () => {
      const socket = await say(open, greeting(user.user.id));
      expect(await endOf(socket)).toMatchObject({ code: 1008, error: 'user_id required' });
    });

    it('is an unknown frame on a socket that was opened with a ticket', async () => {
      const { ticket } = await mintTicket(open, user);
      const socket = await TestSocket.connect(open, { ticket });
      socket.sendRaw(JSON.stringify(greeting(user.user.id)));
      expect((await socket.next('error')).data.code).toMatch(/^frame_/);
      await socket.close();
    });
  });

  it('counts as an upgrade of its address, and a node that stops closes sockets that wait for it with 1012', async () => {
    const limit = { LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: '1', TRUST_PROXY: '1' };
    const node = await cluster.addNode({ FLAG_LEGACY_FIRST_MESSAGE: 'true', ...limit });
    const headers = { 'X-Forwarded-For': '192.0.2.1' };
    const socket = await TestSocket.connect(node, { headers });
    expect((await rawUpgrade(node, { headers })).status).toBe(429);
    const stopped = node.stop();
    expect((await socket.closes()).code).toBe(1012);
    expect((await stopped).code).toBe(0);
  });
});
