import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunEnd, ServerFrame } from '../protocol/messages.js';
import {
  aChat,
  ask,
  countTo,
  endOf,
  events,
  history,
  isRunEnd,
  proofOf,
  textOf,
  watch,
} from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { TestSocket } from './support/socket.js';
import { aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

let cluster: Cluster;
let alice: TestUser;

beforeAll(async () => {
  cluster = await startCluster({ env: { WS_MAX_CONNECTIONS_PER_SESSION: '100' } });
  alice = await aUser(cluster);
});
afterAll(() => cluster?.stop());

function durable(socket: TestSocket, conversationId: string): ServerFrame[] {
  return socket.frames.filter(
    ({ seq, conversation_id }) => seq !== undefined && conversation_id === conversationId,
  );
}

async function join(conversation_id: string, node: TestNode): Promise<TestSocket> {
  const socket = await TestSocket.open(node, alice);
  await socket.send('subscribe', { conversation_id, after_seq: 0 });
  return socket;
}

describe('an answer', () => {
  it('reaches every socket of the conversation on both nodes, with the same events and the same text', async () => {
    const chat = await aChat(cluster.node, alice);
    const sockets = [chat.socket, await watch(chat, cluster.node), await watch(chat, cluster.other)];
    const { run_id } = await ask(chat, 'count to 40');
    const ends = await Promise.all(sockets.map((socket) => endOf(socket, run_id)));
    for (const [index, socket] of sockets.entries()) {
      expect(durable(socket, chat.id)).toEqual(durable(chat.socket, chat.id));
      const text = textOf(socket, ends[index]!.message_id);
      expect(text).toBe(countTo(40));
      expect(ends[index]).toEqual({
        run_id,
        message_id: ends[index]!.message_id,
        finish_reason: 'stop',
        ...proofOf(text),
      });
    }
    expect(await events(chat)).toEqual(
      durable(chat.socket, chat.id).map(({ type, conversation_id, seq, ts, data }) => ({
        conversation_id,
        seq,
        type,
        data,
        ts,
      })),
    );
    expect((await history(chat)).at(-1)).toMatchObject({ content: countTo(40), status: 'complete', run_id });
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  it('arrives in at most 20 frames a second, without a gap', async () => {
    const chat = await aChat(cluster.node, alice);
    const times: number[] = [];
    chat.socket.ws.on('message', (data) => {
      if ((data as Buffer).includes('"message.delta"')) times.push(performance.now());
    });
    const { run_id } = await ask(chat, 'count to 100');
    const { message_id } = await endOf(chat.socket, run_id);
    expect(textOf(chat.socket, message_id)).toBe(countTo(100));
    const seconds = (times.at(-1)! - times[0]!) / 1000;
    // Single arrival times vary: only over the whole answer may the rate not exceed the limit.
    expect(times.length).toBeLessThanOrEqual(Math.ceil(seconds * 20) + 1);
    expect(times.length).toBeGreaterThan(seconds * 10);
    await chat.socket.close();
  });

  it('records tool calls and their results as events', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'What time is it?');
    const { message_id } = await endOf(chat.socket, run_id);
    const [call] = chat.socket.all('tool.call');
    const [result] = chat.socket.all('tool.result');
    expect(call?.data).toMatchObject({ run_id, name: 'current_time' });
    expect(result?.data).toMatchObject({ run_id, tool_call_id: call?.data.tool_call_id });
    expect(result?.seq).toBe((call?.seq ?? 0) + 1);
    const { time } = result?.data.output as { time: string };
    expect(textOf(chat.socket, message_id)).toContain(time);
    await chat.socket.close();
  });

  it('continues when its reader leaves, and is in history afterwards', async () => {
    const chat = await aChat(cluster.node, alice);
    await ask(chat, 'count to 30');
    await chat.socket.next('message.delta');
    await chat.socket.cut();
    const answer = await eventually(
      async () =>
        (await history(chat)).find(({ status, role }) => role === 'assistant' && status === 'complete'),
      'the end of the answer',
    );
    expect(answer.content).toBe(countTo(30));
  });
});

describe('a late joiner', () => {
  it('gets the text so far as a snapshot, and then the rest', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 80');
    for (let frames = 0; frames < 5; frames++) await chat.socket.next('message.delta');
    const onPath = await watch(chat, cluster.other);
    const subscriber = await TestSocket.open(cluster.other, alice);
    const subscribed = await subscriber.send('subscribe', { conversation_id: chat.id });
    expect(subscribed).toMatchObject({ type: 'subscribed', data: { conversation_id: chat.id, last_seq: 3 } });
    for (const socket of [onPath, subscriber]) {
      const snapshot = await socket.next('message.snapshot');
      expect(snapshot.data).toMatchObject({ run_id, status: 'streaming' });
      expect(countTo(80).startsWith(snapshot.data.text)).toBe(true);
      expect(snapshot.data.text.length).toBeGreaterThan(0);
      const { message_id } = await endOf(socket, run_id);
      expect(textOf(socket, message_id)).toBe(countTo(80));
    }
    await Promise.all([chat.socket, onPath, subscriber].map((socket) => socket.close()));
  });

  it('gets the events after after_seq first, in order, then live ones', async () => {
    const chat = await aChat(cluster.node, alice);
    await endOf(chat.socket, (await ask(chat, 'count to 2')).run_id);
    const { run_id } = await ask(chat, 'count to 40');
    await chat.socket.next('message.delta');
    const socket = await TestSocket.open(cluster.other, alice);
    await socket.send('subscribe', { conversation_id: chat.id, after_seq: 2 });
    await Promise.all([endOf(socket, run_id), endOf(chat.socket, run_id)]);
    expect(durable(socket, chat.id).map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7, 8]);
    expect(durable(socket, chat.id)).toEqual(durable(chat.socket, chat.id).slice(2));
    const types = socket.frames.map(({ type }) => type);
    expect(types.indexOf('subscribed')).toBeLessThan(types.indexOf('run.started'));
    expect(types.indexOf('message.snapshot')).toBeGreaterThan(types.lastIndexOf('run.started'));
    await Promise.all([chat.socket.close(), socket.close()]);
  });

  it('misses no event and gets none twice, however much happens while it catches up', async () => {
    const chat = await aChat(cluster.node, alice);
    const joined: Promise<TestSocket>[] = [];
    for (let number = 0; number < 24; number++) {
      await ask(chat, 'count to 1', { on_busy: 'interrupt' });
      if (number % 6 === 5) joined.push(join(chat.id, number % 12 === 5 ? cluster.node : cluster.other));
    }
    const sockets = await Promise.all(joined);
    const isIdle = async (): Promise<boolean> => {
      const open = "SELECT 1 FROM runs WHERE conversation_id = $1 AND status IN ('queued', 'running')";
      return (await cluster.sql(open, [chat.id])).length === 0;
    };
    await eventually(isIdle, 'the end of all runs');
    const { length } = await events(chat);
    for (const socket of sockets) {
      if (durable(socket, chat.id).at(-1)?.seq !== length) {
        await socket.nextWhere(({ seq }) => seq === length, `event ${length}`);
      }
      expect(durable(socket, chat.id).map(({ seq }) => seq)).toEqual(
        Array.from({ length }, (_, index) => index + 1),
      );
    }
    await Promise.all([chat.socket, ...sockets].map((socket) => socket.close()));
  });

  it('hears nothing more after unsubscribe', async () => {
    const chat = await aChat(cluster.node, alice);
    const socket = await TestSocket.open(cluster.other, alice);
    await socket.send('subscribe', { conversation_id: chat.id });
    // The second time there is no subscription to end, which is not an error.
    for (let count = 0; count < 2; count++) {
      const answer = await socket.send('unsubscribe', { conversation_id: chat.id });
      expect(answer.type).toBe('unsubscribed');
    }
    await endOf(chat.socket, (await ask(chat, 'count to 2')).run_id);
    expect(durable(socket, chat.id)).toEqual([]);
    await Promise.all([chat.socket.close(), socket.close()]);
  });
});

describe('resume', () => {
  it('sends what was missed in order, exactly once, and the text of the answer in progress', async () => {
    const chat = await aChat(cluster.node, alice);
    const other = await aChat(cluster.node, alice);
    await endOf(other.socket, (await ask(other, 'count to 1')).run_id);
    const { run_id } = await ask(chat, 'count to 60');
    await chat.socket.next('message.delta');
    await chat.socket.cut();
    const socket = await TestSocket.open(cluster.other, alice);
    const cursors = [
      { conversation_id: chat.id, seq: 1 },
      { conversation_id: randomUUID(), seq: 1 },
      { conversation_id: other.id, seq: 4 },
    ];
    const first = await socket.send('resume', { cursors });
    expect(first).toMatchObject({
      type: 'resumed',
      data: { conversation_id: chat.id, recovered: true, from_seq: 1, to_seq: 3, replayed: 2 },
    });
    const { message_id } = await endOf(socket, run_id);
    expect(durable(socket, chat.id).map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect(textOf(socket, message_id)).toBe(countTo(60));
    expect(socket.all('error').map(({ data }) => data.code)).toEqual(['conversation_not_found']);
    expect(socket.all('resumed').map(({ data }) => [data.conversation_id, data.replayed])).toEqual([
      [chat.id, 2],
      [other.id, 0],
    ]);
    await Promise.all([other.socket.close(), socket.close()]);
  });

  it('on the path of a conversation skips nothing and sends nothing twice', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 30');
    await chat.socket.next('message.delta');
    const onPath = await watch(chat, cluster.other);
    await onPath.send('resume', { cursors: [{ conversation_id: chat.id, seq: 0 }] });
    const { message_id } = await endOf(onPath, run_id);
    expect(durable(onPath, chat.id).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(textOf(onPath, message_id)).toBe(countTo(30));
    await Promise.all([chat.socket.close(), onPath.close()]);
  });

  it('gives the whole text of an answer that ended while the client held a part of it', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 10');
    const { message_id } = await endOf(chat.socket, run_id);
    const socket = await TestSocket.open(cluster.other, alice);
    await socket.send('resume', {
      cursors: [{ conversation_id: chat.id, seq: 3, partials: [{ message_id, offset: 4 }] }],
    });
    const snapshot = await socket.next('message.snapshot');
    expect(snapshot.data).toEqual({ run_id, message_id, text: countTo(10), status: 'complete' });
    await Promise.all([chat.socket.close(), socket.close()]);
  });

  it('sends none of the missed events when there are more than 1,000', async () => {
    const chat = await aChat(cluster.node, alice);
    await cluster.sql(
      `INSERT INTO events SELECT $1, seq, 'run.started', '{}', now() FROM generate_series(1, 1001) AS seq`,
      [chat.id],
    );
    await cluster.sql('UPDATE conversations SET last_seq = 1001 WHERE id = $1', [chat.id]);
    const behind = await chat.socket.send('resume', { cursors: [{ conversation_id: chat.id, seq: 0 }] });
    expect(behind.data).toMatchObject({ recovered: false, from_seq: 0, to_seq: 1001, replayed: 0 });
    expect(durable(chat.socket, chat.id)).toEqual([]);
    const near = await chat.socket.send('resume', { cursors: [{ conversation_id: chat.id, seq: 1 }] });
    expect(near.data).toMatchObject({ recovered: true, replayed: 1000 });
    await chat.socket.nextWhere(({ seq }) => seq === 1001, 'the last event');
    expect(durable(chat.socket, chat.id).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i + 2),
    );
    const subscribed = await chat.socket.send('subscribe', { conversation_id: chat.id, after_seq: 0 });
    expect(subscribed).toMatchObject({ type: 'subscribed', data: { last_seq: 1001 } });
    expect((await chat.socket.next('notice')).data.code).toBe('reload');
    await chat.socket.close();
  });
});

describe('run.cancel', () => {
  it('stops an answer that another node writes, keeps its text and leaves the conversation usable', async () => {
    const chat = await aChat(cluster.node, alice);
    const elsewhere = await TestSocket.open(cluster.other, alice);
    const { run_id } = await ask(chat, 'count to 500');
    await chat.socket.next('message.delta');
    const askedMs = performance.now();
    const answer = await elsewhere.send('run.cancel', { run_id });
    expect(performance.now() - askedMs).toBeLessThan(2000);
    expect(answer).toMatchObject({ type: 'run.cancelled', data: { run_id, finish_reason: 'cancelled' } });
    const end = await endOf(chat.socket, run_id);
    expect(answer.data).toEqual(end);
    const kept = (await history(chat)).at(-1);
    expect(kept).toMatchObject({ id: end.message_id, status: 'cancelled' });
    expect(proofOf(kept!.content)).toEqual({ length: end.length, sha256: end.sha256 });
    expect(textOf(chat.socket, end.message_id)).toBe(kept!.content);
    expect(countTo(500).startsWith(kept!.content)).toBe(true);
    expect(await elsewhere.send('run.cancel', { run_id })).toMatchObject({
      type: 'run.cancelled',
      data: end,
    });
    expect(await endOf(chat.socket, (await ask(chat, 'count to 2')).run_id)).toMatchObject({
      finish_reason: 'stop',
    });
    await Promise.all([chat.socket.close(), elsewhere.close()]);
  });

  it('stops a waiting run, named by client_message_id, with an empty answer', async () => {
    const chat = await aChat(cluster.node, alice);
    const writing = await ask(chat, 'count to 500');
    const client_message_id = randomUUID();
    const waiting = await ask(chat, 'count to 3', { client_message_id });
    const answer = await chat.socket.send('run.cancel', { client_message_id });
    expect(answer.data).toMatchObject({ run_id: waiting.run_id, finish_reason: 'cancelled', ...proofOf('') });
    const { message_id } = answer.data as RunEnd;
    expect((await history(chat)).find(({ id }) => id === message_id)).toMatchObject({
      status: 'cancelled',
      content: '',
    });
    await chat.socket.send('run.cancel', { run_id: writing.run_id });
    await endOf(chat.socket, writing.run_id);
    const ends = chat.socket.frames.filter((frame) => isRunEnd(frame) && frame.seq !== undefined);
    expect(ends.map(({ data }) => (data as RunEnd).run_id)).toEqual([waiting.run_id, writing.run_id]);
    await chat.socket.close();
  });

  it("is forbidden to a socket of another conversation's path, and reveals nothing about a stranger's run", async () => {
    const [chat, second] = [await aChat(cluster.node, alice), await aChat(cluster.node, alice)];
    const inside = await watch(second, cluster.node);
    const { run_id } = await ask(chat, 'count to 500');
    expect((await inside.send('run.cancel', { run_id })).data).toMatchObject({ code: 'cancel_forbidden' });
    const stranger = await aChat(cluster.node, await aUser(cluster));
    const theirs = await watch(stranger, cluster.node);
    for (const socket of [theirs, stranger.socket])
      expect((await socket.send('run.cancel', { run_id })).data).toMatchObject({ code: 'run_not_found' });
    expect(await chat.socket.send('run.cancel', { run_id })).toMatchObject({ type: 'run.cancelled' });
    await Promise.all([chat, second, stranger].map(({ socket }) => socket.close()));
    await Promise.all([inside.close(), theirs.close()]);
  });

  it('always gets a reply when it is sent together with the question, on the same node or another', async () => {
    const chat = await aChat(cluster.node, alice);
    const elsewhere = await TestSocket.open(cluster.other, alice);
    for (let round = 0; round < 6; round++) {
      const client_message_id = randomUUID();
      const asked = ask(chat, 'count to 500', { client_message_id });
      // The frames of one socket are handled in order, those of two sockets in any order.
      const there = elsewhere.send('run.cancel', { client_message_id });
      const here = await chat.socket.send('run.cancel', { client_message_id });
      expect(here).toMatchObject({ type: 'run.cancelled', data: { run_id: (await asked).run_id } });
      const { type, data } = await there;
      if (type === 'run.cancelled') expect(data).toEqual(here.data);
      else expect(data).toMatchObject({ code: 'run_not_found' });
    }
    await Promise.all([chat.socket.close(), elsewhere.close()]);
  });

  it('reaches the writing node when the signal to it was lost', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 500');
    await chat.socket.next('message.delta');
    // The only trace of a cancellation whose message was lost.
    await cluster.sql('UPDATE runs SET cancel_requested_at = now() WHERE id = $1', [run_id]);
    expect(await endOf(chat.socket, run_id, 2000)).toMatchObject({ finish_reason: 'cancelled' });
    await chat.socket.close();
  });

  it("does not find runs that have ended, are unknown or are a stranger's", async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 1');
    await endOf(chat.socket, run_id);
    const ended = await chat.socket.send('run.cancel', { run_id });
    expect(ended.data).toMatchObject({ code: 'run_not_found', detail: expect.stringContaining('ended') });
    const unknown = await chat.socket.send('run.cancel', { run_id: randomUUID() });
    expect(unknown.data).toMatchObject({ code: 'run_not_found' });
    const { run_id: written } = await ask(chat, 'count to 2000');
    const stranger = await TestSocket.open(cluster.other, await aUser(cluster));
    const refused = await stranger.send('run.cancel', { run_id: written });
    expect(refused.data).toMatchObject({ code: 'run_not_found' });
    expect((await chat.socket.send('run.cancel', { run_id: written })).type).toBe('run.cancelled');
    await Promise.all([chat.socket.close(), stranger.close()]);
  });
});
