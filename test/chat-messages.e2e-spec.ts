import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServerFrameOf } from '../protocol/messages.js';
import { aChat, ask, conversation, endOf, events, history, say, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { TestSocket } from './support/socket.js';
import { aUser, createConversation, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const MANY_SOCKETS = { WS_MAX_CONNECTIONS_PER_SESSION: '1000', WS_MAX_CONNECTIONS_PER_USER: '1000' };

let cluster: Cluster;
let alice: TestUser;

beforeAll(async () => {
  cluster = await startCluster({ env: MANY_SOCKETS });
  alice = await aUser(cluster);
});
afterAll(() => cluster?.stop());

function codeOf(frame: { type: string; data: unknown }): string {
  return frame.type === 'error' ? (frame.data as { code: string }).code : frame.type;
}

describe('message.send', () => {
  it('is acknowledged after the commit, and before the sender sees the message', async () => {
    const chat = await aChat(cluster.node, alice);
    const { message_id, seq, duplicate } = await ask(chat, 'count to 1');
    expect(await cluster.sql('SELECT id FROM messages WHERE id = $1', [message_id])).toHaveLength(1);
    expect([seq, duplicate]).toEqual([1, false]);
    const created = await chat.socket.next('message.created');
    expect(created).toMatchObject({
      seq: 1,
      conversation_id: chat.id,
      data: { message: { id: message_id, seq: 1 } },
    });
    const types = chat.socket.frames.map(({ type }) => type);
    expect(types.indexOf('message.accepted')).toBeLessThan(types.indexOf('message.created'));
    await chat.socket.close();
  });

  it('gets the first acknowledgement again for the same id and content, on any node', async () => {
    const chat = await aChat(cluster.node, alice);
    const client_message_id = randomUUID();
    const first = await ask(chat, 'count to 1', { client_message_id });
    const elsewhere = await TestSocket.open(cluster.other, alice);
    const again = await ask({ id: chat.id, socket: elsewhere }, 'count to 1', { client_message_id });
    expect(again).toEqual({ ...first, duplicate: true });
    await endOf(chat.socket, first.run_id);
    expect((await history(chat)).filter(({ role }) => role === 'user')).toHaveLength(1);
    await Promise.all([chat.socket.close(), elsewhere.close()]);
  });

  it('refuses the same id with other content, or in another conversation', async () => {
    const chat = await aChat(cluster.node, alice);
    const client_message_id = randomUUID();
    await ask(chat, 'count to 1', { client_message_id });
    expect(codeOf(await say(chat, 'count to 2', { client_message_id }))).toBe('idempotency_conflict');
    const { id } = await createConversation(cluster.node, alice);
    const other = { id, socket: chat.socket };
    expect(codeOf(await say(other, 'count to 1', { client_message_id }))).toBe('idempotency_conflict');
    await chat.socket.close();
  });

  it('stores one message when the same send arrives twelve times at once on two nodes', async () => {
    const chat = await aChat(cluster.node, alice);
    const client_message_id = randomUUID();
    const sockets = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        TestSocket.open(index % 2 === 0 ? cluster.node : cluster.other, alice),
      ),
    );
    const accepted = await Promise.all(
      sockets.map((socket) => ask({ id: chat.id, socket }, 'count to 1', { client_message_id })),
    );
    expect(accepted.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(
      new Set(accepted.map(({ message_id, seq, run_id }) => `${message_id} ${seq} ${run_id}`)).size,
    ).toBe(1);
    await Promise.all([chat.socket, ...sockets].map((socket) => socket.close()));
  });

  it('is accepted in one conversation when the same id is sent to two at once', async () => {
    const { id } = await createConversation(cluster.node, alice);
    const { id: otherId } = await createConversation(cluster.node, alice);
    const [socket, other] = [
      await TestSocket.open(cluster.node, alice),
      await TestSocket.open(cluster.other, alice),
    ];
    for (let round = 0; round < 10; round++) {
      const client_message_id = randomUUID();
      const answers = await Promise.all([
        say({ id, socket }, 'count to 1', { client_message_id }),
        say({ id: otherId, socket: other }, 'count to 1', { client_message_id }),
      ]);
      expect(answers.map(codeOf).sort()).toEqual(['idempotency_conflict', 'message.accepted']);
    }
    await Promise.all([socket.close(), other.close()]);
  });

  it('keeps the order of the sends of one socket', async () => {
    const chat = await aChat(cluster.node, alice);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, number) => ask(chat, `count to ${number + 1}`)),
    );
    const seqs = answers.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    const asked = (await history(chat)).filter(({ role }) => role === 'user');
    expect(asked.map(({ content }) => content)).toEqual(answers.map((_, number) => `count to ${number + 1}`));
    await chat.socket.close();
  });

  it('numbers events without gaps when many sockets on two nodes send at once', async () => {
    const chat = await aChat(cluster.node, alice);
    const sockets = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        TestSocket.open(index % 2 === 0 ? cluster.node : cluster.other, alice),
      ),
    );
    await Promise.all(
      sockets.map(async (socket, place) => {
        for (let number = 0; number < 5; number++) {
          await ask({ id: chat.id, socket }, 'count to 1', {
            on_busy: (place + number) % 3 === 0 ? 'interrupt' : 'queue',
          });
        }
      }),
    );
    await eventually(async () => {
      const open = await cluster.sql(
        "SELECT 1 FROM runs WHERE conversation_id = $1 AND status IN ('queued', 'running')",
        [chat.id],
      );
      return open.length === 0;
    }, 'the end of all runs');
    const log = await events(chat);
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
    expect((await conversation(chat)).last_seq).toBe(log.length);
    const messages = await history(chat);
    expect(messages.filter(({ role }) => role === 'user')).toHaveLength(40);
    expect(messages.filter(({ role }) => role === 'assistant')).toHaveLength(40);
    expect(messages.filter(({ status }) => status === 'streaming')).toEqual([]);
    const seen = chat.socket.frames.flatMap(({ seq }) => seq ?? []);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(new Set(seen).size).toBe(seen.length);
    await Promise.all([chat.socket, ...sockets].map((socket) => socket.close()));
  });

  it('answers queued questions one after the other, oldest first', async () => {
    const chat = await aChat(cluster.node, alice);
    const runs = await Promise.all(
      ['count to 9', 'count to 2', 'count to 3'].map((content) => ask(chat, content)),
    );
    await endOf(chat.socket, runs[2]!.run_id);
    const order = chat.socket.frames.flatMap((frame) =>
      frame.type === 'run.started' || frame.type === 'run.completed'
        ? [`${frame.type} ${frame.data.run_id}`]
        : [],
    );
    expect(order).toEqual(runs.flatMap(({ run_id }) => [`run.started ${run_id}`, `run.completed ${run_id}`]));
    await chat.socket.close();
  });

  it('with on_busy "reject" is refused while a run is open, and exactly one of many is accepted', async () => {
    const chat = await aChat(cluster.node, alice);
    const answers = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const socket = await TestSocket.open(index % 2 === 0 ? cluster.node : cluster.other, alice);
        const answer = await say({ id: chat.id, socket }, 'count to 20', { on_busy: 'reject' });
        await socket.close();
        return codeOf(answer);
      }),
    );
    expect(answers.sort()).toEqual(['message.accepted', ...Array.from({ length: 5 }, () => 'run_busy')]);
    await chat.socket.close();
  });

  it('with on_busy "interrupt" stops the run in progress and those that wait', async () => {
    const chat = await aChat(cluster.node, alice);
    const long = await ask(chat, 'count to 500');
    const waiting = await ask(chat, 'count to 400');
    await chat.socket.next('message.delta');
    const last = await ask(chat, 'count to 3', { on_busy: 'interrupt' });
    const stopped = await endOf(chat.socket, long.run_id);
    const neverBegun = await endOf(chat.socket, waiting.run_id);
    expect([stopped.finish_reason, neverBegun.finish_reason, neverBegun.length]).toEqual([
      'cancelled',
      'cancelled',
      0,
    ]);
    expect(await endOf(chat.socket, last.run_id)).toMatchObject({ finish_reason: 'stop', length: 5 });
    await chat.socket.close();
  });

  it('accepts a parent of the same conversation, and no other', async () => {
    const chat = await aChat(cluster.node, alice);
    const { message_id } = await ask(chat, 'count to 1');
    await ask(chat, 'count to 2', { parent_id: message_id });
    expect(codeOf(await say(chat, 'count to 3', { parent_id: randomUUID() }))).toBe('validation_failed');
    const elsewhere = { id: (await createConversation(cluster.node, alice)).id, socket: chat.socket };
    expect(codeOf(await say(elsewhere, 'count to 3', { parent_id: message_id }))).toBe('validation_failed');
    expect((await history(chat)).find(({ content }) => content === 'count to 2')?.parent_id).toBe(message_id);
    await chat.socket.close();
  });

  it.each([
    ['nothing', ''],
    ['32,001 characters', 'x'.repeat(32_001)],
    ['NUL', 'a\0b'],
    ['half a surrogate pair', 'a\ud83d'],
  ])('refuses content of %s and stores nothing', async (_name, content) => {
    const chat = await aChat(cluster.node, alice);
    expect(codeOf(await say(chat, content))).toBe('validation_failed');
    expect(await history(chat)).toEqual([]);
    await chat.socket.close();
  });

  it('keeps 32,000 characters as they are', async () => {
    const chat = await aChat(cluster.node, alice);
    const content = 'häß😀\u2028'.repeat(5334).slice(0, 31_998);
    const { run_id } = await ask(chat, content);
    await endOf(chat.socket, run_id);
    expect((await history(chat))[0]?.content).toBe(content);
    await chat.socket.close();
  });

  it('to a conversation of a stranger gets the same error as to a missing one, and reveals nothing', async () => {
    const chat = await aChat(cluster.node, alice);
    const mallory = await aUser(cluster);
    const socket = await TestSocket.open(cluster.node, mallory);
    const answers = [
      await say({ id: chat.id, socket }, 'hello'),
      await say({ id: randomUUID(), socket }, 'hello'),
      await socket.send('subscribe', { conversation_id: chat.id }),
      await socket.send('resume', { cursors: [{ conversation_id: chat.id, seq: 0 }] }),
      await socket.send('message.regenerate', {
        conversation_id: chat.id,
        client_message_id: 'x',
        message_id: randomUUID(),
      }),
    ];
    expect(answers.map(codeOf)).toEqual(answers.map(() => 'conversation_not_found'));
    const { run_id } = await ask(chat, 'count to 2');
    await endOf(chat.socket, run_id);
    expect(socket.frames.filter(({ conversation_id }) => conversation_id === chat.id)).toEqual([]);
    expect(codeOf(await socket.send('run.cancel', { run_id }))).toBe('run_not_found');
    await Promise.all([socket.close(), chat.socket.close()]);
  });

  it('on the path of one conversation is refused for another', async () => {
    const chat = await aChat(cluster.node, alice);
    const onPath = await watch(chat, cluster.node);
    const { id } = await createConversation(cluster.node, alice);
    expect(codeOf(await say({ id, socket: onPath }, 'hello'))).toBe('forbidden');
    expect(codeOf(await onPath.send('subscribe', { conversation_id: id }))).toBe('forbidden');
    expect(codeOf(await onPath.send('resume', { cursors: [{ conversation_id: id, seq: 0 }] }))).toBe(
      'forbidden',
    );
    expect((await ask({ id: chat.id, socket: onPath }, 'count to 1')).seq).toBe(1);
    await Promise.all([onPath.close(), chat.socket.close()]);
  });
});

describe('message.regenerate', () => {
  it('answers a question again, named by its own id or by that of an answer', async () => {
    const chat = await aChat(cluster.node, alice);
    const first = await ask(chat, 'count to 3');
    const { message_id } = await endOf(chat.socket, first.run_id);
    const request = { conversation_id: chat.id, client_message_id: randomUUID(), message_id };
    const accepted = (await chat.socket.send(
      'message.regenerate',
      request,
    )) as ServerFrameOf<'message.accepted'>;
    expect(accepted.data).toMatchObject({ message_id: first.message_id, seq: first.seq, duplicate: false });
    expect(accepted.data.run_id).not.toBe(first.run_id);
    await endOf(chat.socket, accepted.data.run_id);
    const again = await chat.socket.send('message.regenerate', request);
    expect(again.data).toEqual({ ...accepted.data, duplicate: true });
    const other = { ...request, client_message_id: randomUUID(), message_id: first.message_id };
    const byQuestion = (await chat.socket.send(
      'message.regenerate',
      other,
    )) as ServerFrameOf<'message.accepted'>;
    await endOf(chat.socket, byQuestion.data.run_id);
    const messages = await history(chat);
    expect(messages.map(({ role, content }) => `${role} ${content}`)).toEqual([
      'user count to 3',
      'assistant 1 2 3',
      'assistant 1 2 3',
      'assistant 1 2 3',
    ]);
    expect(messages.slice(1).map(({ parent_id }) => parent_id)).toEqual(Array(3).fill(first.message_id));
    await chat.socket.close();
  });

  it('refuses a message that is not in the conversation, and an id that was used for something else', async () => {
    const chat = await aChat(cluster.node, alice);
    const client_message_id = randomUUID();
    const { message_id, run_id } = await ask(chat, 'count to 1', { client_message_id });
    await endOf(chat.socket, run_id);
    const request = { conversation_id: chat.id, client_message_id, message_id };
    expect(codeOf(await chat.socket.send('message.regenerate', request))).toBe('idempotency_conflict');
    const unknown = { ...request, client_message_id: randomUUID(), message_id: randomUUID() };
    expect(codeOf(await chat.socket.send('message.regenerate', unknown))).toBe('validation_failed');
    await chat.socket.close();
  });
});
