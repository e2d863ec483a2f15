import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Chat, aChat, ask, endOf, textOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { cutSubscribers, withRedis } from './support/redis.js';
import type { TestSocket } from './support/socket.js';
import { aUser, type TestUser } from './support/user.js';

/** Redis delivers a message at most once: an event that does not arrive is read from the log. */
describe('an event whose message was lost between the nodes', () => {
  let cluster: Cluster;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster();
    user = await aUser(cluster);
  });

  afterAll(() => cluster?.stop());

  /** Adds an event to the log without a publish, like a node that dies after its commit. */
  async function storeSilently({ id }: Chat): Promise<number> {
    const rows = await cluster.sql<{ seq: number }>(
      `WITH numbered AS (UPDATE conversations SET last_seq = last_seq + 1 WHERE id = $1 RETURNING last_seq)
       INSERT INTO events (conversation_id, seq, type, data, ts)
       SELECT $1, last_seq, 'tool.call', $2, now() FROM numbered RETURNING seq::int`,
      [id, { run_id: randomUUID(), tool_call_id: randomUUID(), name: 'lost', arguments: {} }],
    );
    return rows[0]!.seq;
  }

  const seqsOf = (socket: TestSocket) => socket.frames.flatMap(({ seq }) => seq ?? []);
  const upTo = (last: number, from = 1) =>
    Array.from({ length: last - from + 1 }, (_, index) => from + index);

  it('arrives before the next one, on every node, without a request', async () => {
    const chat = await aChat(cluster.node, user);
    const other = await watch(chat, cluster.other);
    await endOf(chat.socket, (await ask(chat, 'count to 1')).run_id);
    await storeSilently(chat);
    await storeSilently(chat);
    const { run_id } = await ask(chat, 'count to 1');
    for (const socket of [chat.socket, other]) {
      await endOf(socket, run_id);
      const seqs = seqsOf(socket);
      expect(seqs).toEqual(upTo(seqs.at(-1)!));
    }
    expect(cluster.other.logged('fanout.hole')).toEqual([]);
    await Promise.all([chat.socket.close(), other.close()]);
  });

  it('arrives by itself after the connection to Redis was cut, even for a socket that has seen no event yet', async () => {
    const chat = await aChat(cluster.node, user);
    await endOf(chat.socket, (await ask(chat, 'count to 1')).run_id);
    const fresh = await watch(chat, cluster.other);
    const seq = await storeSilently(chat);
    await withRedis(cluster, cutSubscribers);
    for (const socket of [chat.socket, fresh])
      await socket.nextWhere((frame) => frame.seq === seq, 'the event that was lost');
    expect(seqsOf(chat.socket)).toEqual(upTo(seq));
    await endOf(fresh, (await ask(chat, 'count to 1')).run_id);
    expect(seqsOf(fresh).filter((known) => known >= seq)).toEqual(upTo(seqsOf(fresh).at(-1)!, seq));
    await Promise.all([chat.socket.close(), fresh.close()]);
  });

  it('leaves no gap in a text that is written while the connection is cut', async () => {
    const chat = await aChat(cluster.node, user);
    const other = await watch(chat, cluster.other);
    const { run_id } = await ask(chat, 'count to 150');
    for (let cuts = 0; cuts < 4; cuts++) {
      await other.next('message.delta');
      await withRedis(cluster, cutSubscribers);
    }
    for (const socket of [chat.socket, other]) {
      const { message_id, length } = await endOf(socket, run_id);
      expect(textOf(socket, message_id)).toHaveLength(length);
    }
    await Promise.all([chat.socket.close(), other.close()]);
  });
});
