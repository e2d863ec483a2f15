import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Receipt, SignIn } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { cutSubscribers, withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket, remembered, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const HEARTBEAT_SECONDS = 1;
/** One interval, one tick, and extra time for a busy machine. */
const HEARTBEAT_LIMIT_MS = 4000;

describe('a revoked session', () => {
  let cluster: Cluster;
  let hasty: TestNode;

  beforeAll(async () => {
    cluster = await startCluster();
    hasty = await cluster.addNode({ WS_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS) });
  });

  afterAll(() => cluster.stop());

  const keyOf = (user: TestUser) => `chat_session:${user.user.id}:${user.sessionId}`;
  const logout = (user: TestUser) => as(user, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });

  it('closes all its sockets on every node within a second, and is measured', async () => {
    const user = await aUser(cluster);
    const sockets = await Promise.all(cluster.nodes.map((node) => TestSocket.open(node, user)));
    const bystander = await TestSocket.open(
      cluster.other,
      await signIn(cluster.node, user.email, user.password),
    );
    const before = await metric(cluster.other, 'chat_revocation_close_seconds_count');
    await logout(user);
    for (const socket of sockets) {
      expect((await socket.next('session.revoked', undefined, 1000)).data.reason).toBe('logout');
      expect(await socket.closes(1000)).toEqual({ code: 4410, reason: 'session_revoked' });
    }
    expect(await metric(cluster.other, 'chat_revocation_close_seconds_count')).toBe(before + 1);
    expect((await bystander.send('ping', {})).type).toBe('pong');
  });

  it('closes its sockets when a refresh token comes again after its successor was used', async () => {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(cluster.other, user);
    const refresh = (refresh_token: string, status: number) =>
      request<SignIn>('POST', `${cluster.node.url}/auth/refresh`, {
        body: { refresh_token },
        expect: status,
      });
    const { refreshToken } = remembered((await refresh(user.refreshToken, 200)).body);
    await refresh(refreshToken, 200);
    await refresh(user.refreshToken, 401);
    expect((await socket.next('session.revoked', undefined, 1000)).data.reason).toBe('refresh_reused');
    expect((await socket.closes(1000)).code).toBe(4410);
  });

  it('has no message answered that was sent after its end, even before its socket closes', async () => {
    const user = await aUser(cluster);
    const { id: conversation_id } = await createConversation(cluster.node, user);
    const socket = await TestSocket.open(cluster.other, user);
    // Only the key: no message tells the node, so its socket is still open.
    await withRedis(cluster, (redis) => redis.del(keyOf(user)));
    const client_message_id = randomUUID();
    const data = { conversation_id, client_message_id, content: 'Am I still here?' };
    const answer = await socket.send('message.send', data);
    expect(answer).toMatchObject({ type: 'error', data: { code: 'session_expired' } });
    const rows = await cluster.sql('SELECT 1 FROM runs WHERE client_message_id = $1', [client_message_id]);
    expect(rows).toEqual([]);
  });

  it('burns its unused tickets, and only those; the receipts show it to their owner', async () => {
    const user = await aUser(cluster);
    const other = await signIn(cluster.other, user.email, user.password);
    const burnt = [
      await mintTicket(cluster.node, user),
      await mintTicket(cluster.other, user, { purpose: 'refresh' }),
    ];
    const kept = await mintTicket(cluster.node, other);
    await logout(user);
    const receipt = async (ticketId: string) => {
      const path = `${cluster.other.url}/websocket/tickets/${ticketId}`;
      return (await as<Receipt>(other, 'GET', path, { expect: 200 })).body;
    };
    for (const { ticket, ticket_id } of burnt) {
      // One that was minted on another node a moment ago is burnt there.
      const isBurnt = async () => (await receipt(ticket_id)).state === 'revoked';
      await eventually(isBurnt, 'the receipt of a burnt ticket', 1000);
      expect(await receipt(ticket_id)).toMatchObject({ state: 'revoked', code: 'ticket_revoked' });
      expect((await rawUpgrade(cluster.other, { ticket })).status).toBe(403);
    }
    expect((await receipt(kept.ticket_id)).state).toBe('pending');
    await TestSocket.connect(cluster.node, { ticket: kept.ticket });
  });

  it('is found by the heartbeat when the message about its end was lost', async () => {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(hasty, user);
    await withRedis(cluster, async (redis) => {
      await redis.set(`session_end:${user.user.id}:${user.sessionId}`, 'admin', 'EX', 60);
      await redis.del(keyOf(user));
    });
    expect(await socket.closes(HEARTBEAT_LIMIT_MS)).toEqual({ code: 4410, reason: 'session_revoked' });
    expect(socket.all('session.revoked')).toHaveLength(1);
  });

  it('is found as soon as the node hears again, after it missed the end', async () => {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(cluster.other, user);
    await withRedis(cluster, async (redis) => {
      await redis.set(`session_end:${user.user.id}:${user.sessionId}`, 'admin', 'EX', 60);
      await redis.del(keyOf(user));
      await cutSubscribers(redis);
    });
    expect(await socket.closes(5000)).toEqual({ code: 4410, reason: 'session_revoked' });
  });

  it('with another role is found by the heartbeat when the message about it was lost', async () => {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(hasty, user);
    await withRedis(cluster, async (redis) => {
      const record = JSON.parse((await redis.get(keyOf(user))) ?? '') as Record<string, unknown>;
      await redis.set(keyOf(user), JSON.stringify({ ...record, role: 'admin' }), 'KEEPTTL');
    });
    expect(await socket.closes(HEARTBEAT_LIMIT_MS)).toEqual({
      code: 4100,
      reason: 'auth_expired;cause=role_changed',
    });
    const back = await TestSocket.open(hasty, user);
    expect(back.all('ready')[0]?.data.user.role).toBe('admin');
  });
});
