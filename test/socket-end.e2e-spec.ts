import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { Receipt, SignIn } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { RawSocket } from './support/raw-socket.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import type { Closed } from './support/socket.js';
import { as, aUser, createConversation, mintTicket, remembered, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const TOKEN_SECONDS = 10;
const PER_SESSION = 2;
const PER_USER = 3;

/** What ends a socket apart from its frames: time, rights, limits and the node. */
describe('a socket', () => {
  let cluster: Cluster;
  let node: TestNode;
  /** A node with short-lived tokens, frequent heartbeats and low limits. */
  let hasty: TestNode;
  let user: TestUser;
  /** Tests that take more than ten seconds; they run beside the others. */
  let slow: {
    silent: Promise<Closed & { ms: number; pings: number; receipt: Receipt }>;
    aging: Promise<Aging>;
  };

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    node = cluster.node;
    hasty = await cluster.addNode({
      ACCESS_TOKEN_TTL_SECONDS: String(TOKEN_SECONDS),
      WS_HEARTBEAT_SECONDS: '1',
      WS_MAX_CONNECTIONS_PER_SESSION: String(PER_SESSION),
      WS_MAX_CONNECTIONS_PER_USER: String(PER_USER),
      LIMIT_MESSAGES_PER_USER_PER_MINUTE: '1',
    });
    user = await aUser(cluster);
    slow = { silent: silentPeer(), aging: agingPair() };
    // Both are awaited below; until then a failure must not count as unhandled.
    slow.silent.catch(() => undefined);
    slow.aging.catch(() => undefined);
  });

  afterAll(() => cluster.stop());

  async function silentPeer() {
    const owner = await aUser(cluster);
    const minted = await mintTicket(hasty, owner);
    const raw = await RawSocket.open(hasty, { ticket: minted.ticket });
    const start = Date.now();
    const closed = await raw.closes(20_000);
    const ms = Date.now() - start;
    const receipt = await eventually(async () => {
      const path = `${node.url}/websocket/tickets/${minted.ticket_id}`;
      const { body } = await as<Receipt>(owner, 'GET', path, { expect: 200 });
      return body.close !== undefined && body;
    }, 'the close in the receipt');
    return { ...closed, ms, pings: raw.pings, receipt };
  }

  interface Aging {
    expiring: string;
    refreshed: string;
    left: Closed;
    leftAt: number;
    isRenewedOpen: boolean;
  }

  /** Two sockets of one session near the end of its token: one renews itself, the other does not. */
  async function agingPair(): Promise<Aging> {
    const owner = await signInAgain(hasty, await aUser(cluster));
    const renewing = await TestSocket.open(hasty, owner);
    const leaving = await TestSocket.open(hasty, owner);
    const expiring = (await leaving.next('auth.expiring')).data.expires_at;
    // Wait until the new token's "exp", which has a precision of seconds, is later than that of the sign-in.
    await eventually(() => Date.now() > Date.parse(expiring) - (TOKEN_SECONDS - 3) * 1000, 'three seconds');
    const body = { refresh_token: owner.refreshToken };
    const answer = await request<SignIn>('POST', `${hasty.url}/auth/refresh`, { body, expect: 200 });
    const { ticket } = await mintTicket(hasty, remembered(answer.body), { purpose: 'refresh' });
    const refreshed = await renewing.send('auth.refresh', { ticket });
    const left = await leaving.closes(20_000);
    const leftAt = Date.now();
    const isRenewedOpen = (await renewing.send('ping', {})).type === 'pong';
    await renewing.close();
    return {
      expiring,
      refreshed: (refreshed.data as { expires_at: string }).expires_at,
      left,
      leftAt,
      isRenewedOpen,
    };
  }

  it('is replaced with 4409 by the next one of the same client, on the same node and on another', async () => {
    const first = await TestSocket.open(node, user, { client_id: 'tab' });
    const second = await TestSocket.open(node, user, { client_id: 'tab' });
    expect(await first.closes()).toEqual({ code: 4409, reason: 'replaced' });
    const third = await TestSocket.open(hasty, user, { client_id: 'tab' });
    expect(await second.closes()).toEqual({ code: 4409, reason: 'replaced' });
    const other = await TestSocket.open(node, user, { client_id: 'other' });
    expect((await third.send('ping', {})).type).toBe('pong');
    await Promise.all([third.close(), other.close()]);
  });

  it('is not replaced by an upgrade that is refused', async () => {
    const { id } = await createConversation(node, await aUser(cluster));
    const socket = await TestSocket.open(node, user, { client_id: 'kept' });
    const { ticket } = await mintTicket(node, user, { client_id: 'kept' });
    expect((await rawUpgrade(node, { ticket, path: `/ws/conversations/${id}` })).status).toBe(403);
    // Another socket is replaced after it: a message about the first would have arrived by now.
    const before = await TestSocket.open(node, user, { client_id: 'other' });
    const after = await TestSocket.open(node, user, { client_id: 'other' });
    expect((await before.closes()).code).toBe(4409);
    expect((await socket.send('ping', {})).type).toBe('pong');
    await Promise.all([socket.close(), after.close()]);
  });

  it('is not counted when its upgrade is refused', async () => {
    const owner = await aUser(cluster);
    const { id } = await createConversation(node, await aUser(cluster));
    const { ticket } = await mintTicket(node, owner);
    expect((await rawUpgrade(node, { ticket, path: `/ws/conversations/${id}` })).status).toBe(403);
    const counted = () => withRedis(cluster, (redis) => redis.zcard(`connection_index:${owner.user.id}`));
    await eventually(async () => (await counted()) === 0, 'no connection counted');
  });

  it('is one of a limited number per session and per user, over all nodes', async () => {
    const owner = await aUser(cluster);
    const second = await signIn(node, owner.email, owner.password);
    const open = [await TestSocket.open(node, owner), await TestSocket.open(hasty, owner)];
    const refusedFor = async (session: TestUser) => {
      const minted = await mintTicket(hasty, session);
      const answer = await rawUpgrade(hasty, { ticket: minted.ticket });
      expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
      const path = `${hasty.url}/websocket/tickets/${minted.ticket_id}`;
      return (await as<Receipt>(session, 'GET', path)).body.code;
    };
    expect(await refusedFor(owner)).toBe('connection_limit');
    open.push(await TestSocket.open(hasty, second));
    expect(await refusedFor(second)).toBe('connection_limit');
    await open[0]?.close();
    const again = await eventually(
      () => TestSocket.open(hasty, second).catch(() => undefined),
      'the place of a closed socket',
    );
    await Promise.all([again, ...open.slice(1)].map((socket) => socket.close()));
  });

  it('is closed with 4403 for a ticket that is no refresh ticket or belongs to another socket', async () => {
    const stranger = await aUser(cluster);
    const tickets = [
      (await mintTicket(node, stranger, { purpose: 'refresh' })).ticket,
      (await mintTicket(node, user, { purpose: 'connect' })).ticket,
      (await mintTicket(node, await signIn(node, user.email, user.password), { purpose: 'refresh' })).ticket,
      (await mintTicket(node, user, { purpose: 'refresh', client_id: 'another-tab' })).ticket,
      'A'.repeat(43),
      user.accessToken.slice(0, 200),
    ];
    for (const ticket of tickets) {
      const socket = await TestSocket.open(node, user);
      const answer = await socket.send('auth.refresh', { ticket });
      expect(answer.type).toBe('error');
      expect(await socket.closes()).toEqual({ code: 4403, reason: 'forbidden' });
    }
  });

  it('is closed with 4410 at its next message when its session is gone and no message said so', async () => {
    const owner = await aUser(cluster);
    const { id: conversation_id } = await createConversation(node, owner);
    const socket = await TestSocket.open(node, owner);
    await forgetSession(owner);
    const data = { conversation_id, client_message_id: 'late', content: 'x' };
    const answer = await socket.send('message.send', data);
    expect((answer.data as Problem).code).toBe('session_expired');
    expect((await socket.next('session.revoked')).data).toEqual({ reason: 'session_expired' });
    expect(await socket.closes()).toEqual({ code: 4410, reason: 'session_revoked' });
    expect(
      await cluster.sql("SELECT 1 FROM messages WHERE content = 'x' AND conversation_id = $1", [
        conversation_id,
      ]),
    ).toEqual([]);
  });

  it('is closed with 4410 at its next heartbeat when its session is gone and no message said so', async () => {
    const owner = await aUser(cluster);
    const socket = await TestSocket.open(hasty, owner);
    await forgetSession(owner);
    await socket.next('session.revoked', undefined, 4000);
    expect(await socket.closes()).toEqual({ code: 4410, reason: 'session_revoked' });
  });

  const forgetSession = (owner: TestUser) =>
    withRedis(cluster, (redis) => redis.del(`chat_session:${owner.user.id}:${owner.sessionId}`));

  it('is told rate_limited and then closed with 4529 when it sends without end', async () => {
    const socket = await TestSocket.open(hasty, await aUser(cluster));
    const limit = socket.all('ready')[0]?.data.limits.frames_per_minute ?? 0;
    const texts = ['{"type":"ping","id":"a"}', '{"type":"no-such","id":"b"}', '{"type":"ping"}', '{', '[]'];
    for (let count = 0; count < limit; count++) socket.sendRaw('{"type":"ping"}');
    for (const text of [...texts, ...Array.from({ length: 20 }, () => '{"type":"ping"}')])
      socket.sendRaw(text);
    const { data } = await socket.next('error');
    expect(data).toMatchObject({ code: 'rate_limited', retry: 'after' });
    expect(data.retry_after_ms).toBeGreaterThan(0);
    expect(await socket.closes()).toEqual({
      code: 4529,
      reason: expect.stringMatching(/^rate_limited;retry_after_ms=\d+$/),
    });
    expect(socket.all('error').map(({ re }) => re)).toEqual([
      'a',
      'b',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    const line = await eventually(() => hasty.logged('limit.reached')[0], 'a line about it');
    expect(line).toMatchObject({ limit: 'frames', count: 1 });
  });

  it('shares the limit of messages of its user with HTTP', async () => {
    const owners = [await aUser(cluster), await aUser(cluster)];
    const codes = await Promise.all(
      owners.map(async (owner, index) => {
        const { id } = await createConversation(node, owner);
        const socket = await TestSocket.open(hasty, owner);
        const bySocket = async (client_message_id: string) => {
          const answer = await socket.send('message.send', {
            conversation_id: id,
            client_message_id,
            content: 'x',
          });
          return 'code' in answer.data ? answer.data.code : answer.type;
        };
        const byHttp = async (client_message_id: string) => {
          const body = { client_message_id, content: 'x' };
          const answer = await as<Problem>(owner, 'POST', `${hasty.url}/conversations/${id}/messages`, {
            body,
          });
          return answer.status === 202 ? '202' : answer.body.code;
        };
        const ways = index === 0 ? [bySocket, byHttp] : [byHttp, bySocket];
        const told = [await ways[0]!('first'), await ways[1]!('second')];
        await socket.close();
        return told;
      }),
    );
    expect(codes).toEqual([
      ['message.accepted', 'rate_limited'],
      ['202', 'rate_limited'],
    ]);
  });

  it('is told rate_limited for pings as for any frame', async () => {
    const socket = await TestSocket.open(hasty, await aUser(cluster));
    const limit = socket.all('ready')[0]?.data.limits.frames_per_minute ?? 0;
    for (let count = 0; count <= limit; count++) socket.ws.ping();
    expect((await socket.next('error')).data.code).toBe('rate_limited');
    await socket.close();
  });

  it('is closed with 4508 when it does not read, and affects no other', async () => {
    const owner = await aUser(cluster);
    const socket = await TestSocket.open(node, owner);
    const innocent = await TestSocket.open(node, user);
    const before = await metric(node, 'chat_slow_consumers_total');
    socket.ws.pause();
    // The reply to each of these has more bytes than the frame itself.
    const frame = JSON.stringify({ type: 'ping', id: 'x'.repeat(64), data: { t: [] } });
    const isSlow = async () => (await metric(node, 'chat_slow_consumers_total')) > before;
    await eventually(async () => {
      for (let count = 0; count < 2000; count++) socket.sendRaw(frame);
      return isSlow();
    }, 'a socket that is too slow');
    const start = performance.now();
    expect((await innocent.send('ping', {})).type).toBe('pong');
    expect(performance.now() - start).toBeLessThan(1000);
    socket.ws.resume();
    expect(await socket.closes()).toEqual({ code: 4508, reason: 'slow_consumer' });
    await innocent.close();
  });

  it('is closed with 1012 when its node is told to stop, and the node exits with code 0', async () => {
    const leaving = await cluster.addNode();
    const sockets = await Promise.all([
      TestSocket.open(leaving, user),
      TestSocket.open(leaving, await aUser(cluster)),
    ]);
    leaving.signal('SIGTERM');
    for (const socket of sockets) {
      const closed = await socket.closes();
      expect(closed.code).toBe(1012);
      expect(closed.reason).toMatch(/^service_restart(;|$)/);
    }
    expect(await leaving.exited).toMatchObject({ code: 0 });
  });

  it('is pinged, and closed with 4509 when it does not answer', async () => {
    const { code, reason, ms, pings, receipt } = await slow.silent;
    expect({ code, reason }).toEqual({ code: 4509, reason: 'heartbeat_timeout' });
    expect(pings).toBeGreaterThanOrEqual(1);
    expect(ms).toBeLessThan(14_000);
    expect(receipt.close).toEqual({ code: 4509, reason: 'heartbeat_timeout' });
  });

  it('is told before it expires, and then closed with 4100, unless it renewed itself', async () => {
    const { expiring, refreshed, left, leftAt, isRenewedOpen } = await slow.aging;
    expect(left).toEqual({ code: 4100, reason: 'auth_expired' });
    expect(leftAt - Date.parse(expiring)).toBeGreaterThanOrEqual(0);
    expect(leftAt - Date.parse(expiring)).toBeLessThan(5000);
    expect(Date.parse(refreshed)).toBeGreaterThan(Date.parse(expiring));
    expect(isRenewedOpen).toBe(true);
  });
});

/** Signs an existing account in on this node, so that its token has the lifetime of this node. */
function signInAgain(node: TestNode, { email, password }: TestUser): Promise<TestUser> {
  return signIn(node, email, password);
}
