import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { aChat, ask, type Chat, countTo, endOf, say, textOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { cutSubscribers, withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const GONE = 'conversation_not_found';
const UNAVAILABLE = { type: 'error', data: { code: 'dependency_unavailable' } };

async function subscribed({ user, id }: Chat, node: TestNode): Promise<TestSocket> {
  const socket = await TestSocket.open(node, user);
  await socket.send('subscribe', { conversation_id: id });
  return socket;
}

function remove({ user, id, node }: Chat): Promise<unknown> {
  return as(user, 'DELETE', `${node.url}/conversations/${id}`, { expect: 204 });
}

describe('a socket that watches a conversation', () => {
  let cluster: Cluster;
  let user: TestUser;
  let chat: Chat;

  beforeAll(async () => {
    cluster = await startCluster({ durableRedis: true, env: { WS_MAX_CONNECTIONS_PER_SESSION: '100' } });
    user = await aUser(cluster);
  });
  beforeEach(async () => {
    chat = await aChat(cluster.node, user);
    await endOf(chat.socket, (await ask(chat, 'count to 1')).run_id);
  });
  afterAll(() => cluster?.stop());

  /** Allows or forbids SUBSCRIBE in Redis; all other commands work. */
  const mayListen = (isAllowed: boolean) =>
    withRedis(cluster, (redis) =>
      redis.call('ACL', 'SETUSER', 'default', isAllowed ? '+subscribe' : '-subscribe'),
    );

  /** Locks the table while `work` runs, so that nobody else can read it, and commits what `work` stores. */
  async function whileLocked(table: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
    const client = new pg.Client({ connectionString: cluster.databaseUrl });
    await client.connect();
    try {
      await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      await work(client);
      await client.query('COMMIT');
    } finally {
      await client.end();
    }
  }

  const seqsOf = (socket: TestSocket) => socket.frames.flatMap(({ seq }) => seq ?? []);

  it('is told that a subscription failed, and can try again', async () => {
    const socket = await TestSocket.open(cluster.other, user);
    await mayListen(false);
    const refused = await socket.send('subscribe', { conversation_id: chat.id });
    await mayListen(true);
    expect(refused).toMatchObject(UNAVAILABLE);
    expect((await socket.send('subscribe', { conversation_id: chat.id })).type).toBe('subscribed');
    await endOf(socket, (await ask(chat, 'count to 1')).run_id);
    await socket.close();
  });

  it('gets on its own path what it missed while it could not be subscribed', async () => {
    await mayListen(false);
    const path = await watch(chat, cluster.other);
    await eventually(() => cluster.other.logged('fanout.open_failed').length > 0, 'a failed subscription');
    expect(await say({ id: chat.id, socket: path }, 'count to 2')).toMatchObject(UNAVAILABLE);
    const { run_id } = await ask(chat, 'count to 3');
    await endOf(chat.socket, run_id);
    await mayListen(true);
    const { message_id } = await endOf(path, run_id);
    expect(textOf(path, message_id)).toBe(countTo(3));
    const next = await ask({ id: chat.id, socket: path }, 'count to 2');
    await endOf(path, next.run_id);
    expect(seqsOf(path)).toEqual(seqsOf(path).map((_, index) => seqsOf(path)[0]! + index));
    await path.close();
  });

  it('keeps watching when a resume fails, and is told about the failure', async () => {
    await whileLocked('conversations', async () => {
      const cursors = [{ conversation_id: chat.id, seq: 0 }];
      expect(await chat.socket.send('resume', { cursors })).toMatchObject(UNAVAILABLE);
      expect(await chat.socket.send('subscribe', { conversation_id: chat.id })).toMatchObject(UNAVAILABLE);
    });
    const sender = await TestSocket.open(cluster.other, user);
    const { run_id } = await ask({ id: chat.id, socket: sender }, 'count to 3');
    const { message_id } = await endOf(chat.socket, run_id);
    expect(textOf(chat.socket, message_id)).toBe(countTo(3));
    await sender.close();
  });

  it('gets what it missed even when the log could not be read at first', async () => {
    const lost = { run_id: randomUUID(), tool_call_id: randomUUID(), name: 'lost', arguments: {} };
    const failures = cluster.node.logged('fanout.recover_failed').length;
    await whileLocked('events', async (client) => {
      await client.query(
        `WITH numbered AS (UPDATE conversations SET last_seq = last_seq + 1 WHERE id = $1 RETURNING last_seq)
         INSERT INTO events (conversation_id, seq, type, data, ts)
         SELECT $1, last_seq, 'tool.call', $2, now() FROM numbered`,
        [chat.id, lost],
      );
      await withRedis(cluster, cutSubscribers);
      await eventually(
        () => cluster.node.logged('fanout.recover_failed').length > failures,
        'a log that cannot be read',
      );
    });
    expect((await chat.socket.next('tool.call')).data).toEqual(lost);
  });

  it('is told on every node, without a request, that the conversation was deleted', async () => {
    const others = [await subscribed(chat, cluster.node), await subscribed(chat, cluster.other)];
    const path = await watch(chat, cluster.other);
    await remove(chat);
    for (const socket of [chat.socket, ...others]) {
      const told = await socket.next('unsubscribed');
      expect(told).toMatchObject({
        conversation_id: chat.id,
        data: { conversation_id: chat.id, reason: GONE },
      });
      expect(told.re).toBeUndefined();
    }
    expect(await path.closes()).toEqual({ code: 4404, reason: GONE });
    expect(await say(chat, 'count to 1')).toMatchObject({ type: 'error', data: { code: GONE } });
  });

  it('is told of a missed deletion after a lost connection to Redis, or at its next message', async () => {
    const silentlyRemoved = () => cluster.sql('DELETE FROM conversations WHERE id = $1', [chat.id]);
    const sibling = await subscribed(chat, cluster.node);
    await silentlyRemoved();
    await withRedis(cluster, cutSubscribers);
    expect((await chat.socket.next('unsubscribed')).data.reason).toBe(GONE);
    expect((await sibling.next('unsubscribed')).data.reason).toBe(GONE);

    chat = await aChat(cluster.node, user);
    await endOf(chat.socket, (await ask(chat, 'count to 1')).run_id);
    const path = await watch(chat, cluster.node);
    await silentlyRemoved();
    expect(await say(chat, 'Hello?')).toMatchObject({ type: 'error', data: { code: GONE } });
    expect((await chat.socket.next('unsubscribed')).data.reason).toBe(GONE);
    expect((await path.closes()).code).toBe(4404);
  });

  it('is closed with 4503 only after the grace', async () => {
    await mayListen(false);
    const start = Date.now();
    const path = await watch(chat, cluster.other);
    const end = await path.closes(40_000);
    await mayListen(true);
    expect(end).toEqual({ code: 4503, reason: 'dependency_unavailable' });
    expect(Date.now() - start).toBeGreaterThan(29_000);
  }, 50_000);
});

describe('a deletion whose message was lost', () => {
  it('is noticed at the next heartbeat', async () => {
    const cluster = await startCluster({ nodes: 1, env: { WS_HEARTBEAT_SECONDS: '1' } });
    try {
      const chat = await aChat(cluster.node, await aUser(cluster));
      const other = await subscribed(chat, cluster.node);
      const path = await watch(chat, cluster.node);
      await cluster.sql('DELETE FROM conversations WHERE id = $1', [chat.id]);
      expect((await other.next('unsubscribed')).data.reason).toBe(GONE);
      expect(await path.closes()).toEqual({ code: 4404, reason: GONE });
    } finally {
      await cluster.stop();
    }
  });
});
