import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { subscriberFlow, TcpProxy } from '../scripts/network/tcp-proxy.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const HEARTBEAT_SECONDS = 2;
/** One interval, one tick of the timer, and extra time for a busy machine. */
const HEARTBEAT_LIMIT_MS = HEARTBEAT_SECONDS * 1000 + 1000 + 500;
/** Time in which a node drops a silent connection and opens another. */
const RETURN_LIMIT_MS = 6000;

describe('a node whose network to Redis fails silently', () => {
  let cluster: Cluster;
  let proxy: TcpProxy;
  let cutOff: TestNode;

  beforeAll(async () => {
    // One server, so that one proxy is in front of all of Redis.
    cluster = await startCluster({ nodes: 1, redisForm: 'single' });
    proxy = await TcpProxy.start(Number(new URL(cluster.redisUrl).port));
    cutOff = await cluster.addNode({
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      WS_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS),
    });
  });

  afterEach(() => proxy.heal());

  afterAll(async () => {
    await cluster.stop();
    await proxy.stop();
  });

  const logout = (user: TestUser) => as(user, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });

  /** Two sockets of one user on one conversation: the first on the healthy node, the second on the other. */
  async function aPair() {
    const user = await aUser(cluster);
    const { id: conversation_id } = await createConversation(cluster.node, user);
    const sockets = await Promise.all([cluster.node, cutOff].map((node) => TestSocket.open(node, user)));
    const [near, far] = sockets as [TestSocket, TestSocket];
    for (const socket of sockets) {
      expect((await socket.send('subscribe', { conversation_id })).type).toBe('subscribed');
    }
    return { user, conversation_id, near, far };
  }

  type Pair = Awaited<ReturnType<typeof aPair>>;

  const say = (socket: TestSocket, { conversation_id }: Pair, client_message_id: string = randomUUID()) =>
    socket.send('message.send', {
      conversation_id,
      client_message_id,
      content: 'Am I heard?',
      on_busy: 'queue',
    });

  /** Waits until a message on the healthy node reaches the socket on the other node. */
  async function expectLiveTraffic(pair: Pair): Promise<void> {
    await eventually(
      async () => {
        const from = pair.far.frames.length;
        const accepted = await say(pair.near, pair);
        expect(accepted.type).toBe('message.accepted');
        const { message_id } = accepted.data as { message_id: string };
        return eventually(
          () => pair.far.frames.slice(from).some((frame) => JSON.stringify(frame).includes(message_id)),
          'the message',
          500,
        ).catch(() => false);
      },
      'live traffic',
      RETURN_LIMIT_MS,
    );
  }

  it('notices at its heartbeat the end of a session that it was not told about, and answers no message of it', async () => {
    const pair = await aPair();
    const { user, far, conversation_id } = pair;
    const others = await Promise.all([1, 2, 3].map(() => TestSocket.open(cutOff, user)));
    proxy.hold(subscriberFlow);
    const client_message_id = randomUUID();
    await logout(user);
    const ended = performance.now();
    const answer = await say(far, pair, client_message_id);
    expect(answer).toMatchObject({ type: 'error', data: { code: 'session_revoked' } });
    for (const socket of [far, ...others]) {
      expect(await socket.closes(HEARTBEAT_LIMIT_MS)).toEqual({ code: 4410, reason: 'session_revoked' });
    }
    for (const socket of [far, ...others]) expect(socket.all('session.revoked')).toHaveLength(1);
    expect(performance.now() - ended).toBeLessThan(HEARTBEAT_LIMIT_MS);
    const stored = 'SELECT 1 FROM messages WHERE conversation_id = $1 AND client_message_id = $2';
    expect(await cluster.sql(stored, [conversation_id, client_message_id])).toEqual([]);
  });

  it('receives messages again by itself when the network is back, without closing a socket', async () => {
    const pair = await aPair();
    proxy.hold(subscriberFlow);
    await eventually(() => cutOff.logged('redis.silent').length > 0, 'the node to notice', RETURN_LIMIT_MS);
    proxy.heal();
    await expectLiveTraffic(pair);
    expect((await pair.far.send('ping', {})).type).toBe('pong');
  });

  it('abandons connections that the network has dropped, and continues on new ones', async () => {
    const pair = await aPair();
    expect(proxy.drop()).toBe(2);
    await eventually(
      async () => (await mint(pair.user)) === 201,
      'tickets over another connection',
      RETURN_LIMIT_MS,
    );
    await expectLiveTraffic(pair);
    await logout(pair.user);
    expect((await pair.far.closes(1000)).code).toBe(4410);
  });

  const mint = async (user: TestUser) =>
    (await as(user, 'POST', `${cutOff.url}/websocket/ticket`, { body: {} })).status;
});
