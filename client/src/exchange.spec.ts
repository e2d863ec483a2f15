import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { CLOSE_CODES } from '../../protocol/close-codes.js';
import type { Problem } from '../../protocol/errors.js';
import { ANSWER, CONVERSATION, FakeServer, problem, RUN, settle, useFakeClock } from '../spec/fake-server.js';
import { ChatClient } from './chat-client.js';

let server: FakeServer;
let client: ChatClient;

async function open(): Promise<void> {
  client.connect();
  await settle();
  server.socket.ready();
}

async function reconnect(): Promise<void> {
  server.socket.end();
  await settle();
  await open();
}

function event(seq: number): void {
  const data = { run_id: RUN, message_id: 'm', responder: 'builtin' };
  server.socket.deliver('run.started', data, { conversation_id: CONVERSATION, seq });
}

beforeEach(async () => {
  useFakeClock();
  server = new FakeServer();
  client = new ChatClient({
    baseUrl: 'https://chat.example',
    getAccessToken: async () => 'jwt',
    fetch: server.fetch,
    createSocket: server.createSocket,
    random: () => 0.5,
  });
  await open();
});

afterEach(() => {
  client.close();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

test('resumes a conversation after the last event that it saw', async () => {
  client.subscribe(CONVERSATION, 4);
  event(5);
  event(6);
  await reconnect();
  expect(server.socket.sentOf('resume').map((frame) => frame.data)).toEqual([
    { cursors: [{ conversation_id: CONVERSATION, seq: 6 }] },
  ]);
});

test('sends how much it has of an answer that may have ended meanwhile', async () => {
  const delta = { run_id: RUN, message_id: ANSWER, offset: 3, text: 'four' };
  const partials = () => server.socket.sentOf('resume').map((frame) => frame.data.cursors);
  client.subscribe(CONVERSATION, 4);
  server.socket.deliver('message.delta', delta, { conversation_id: CONVERSATION });
  await reconnect();
  const cursor = { conversation_id: CONVERSATION, seq: 4 };
  expect(partials()).toEqual([[{ ...cursor, partials: [{ message_id: ANSWER, offset: 7 }] }]]);
  const end = {
    run_id: RUN,
    message_id: ANSWER,
    finish_reason: 'stop' as const,
    length: 7,
    sha256: '',
  };
  server.socket.deliver('run.completed', end, { conversation_id: CONVERSATION, seq: 5 });
  await reconnect();
  expect(partials()).toEqual([[{ ...cursor, seq: 5 }]]);
});

test('forgets an answer whose whole text came in several frames after its end', async () => {
  const text = { run_id: RUN, message_id: ANSWER };
  const rest = { conversation_id: CONVERSATION };
  client.subscribe(CONVERSATION, 4);
  server.socket.deliver('message.snapshot', { ...text, text: 'one', status: 'streaming' }, rest);
  await reconnect();
  const partials = [{ message_id: ANSWER, offset: 3 }];
  expect(server.socket.sentOf('resume').at(-1)?.data).toMatchObject({ cursors: [{ partials }] });
  server.socket.deliver('message.snapshot', { ...text, text: 'one', status: 'complete' }, rest);
  server.socket.deliver('message.delta', { ...text, offset: 3, text: ' two' }, rest);
  await reconnect();
  expect(server.socket.sentOf('resume').at(-1)?.data).toEqual({
    cursors: [{ conversation_id: CONVERSATION, seq: 4 }],
  });
});

test('sends a message that does not fit into a frame over HTTP, under the same id', async () => {
  const message = { conversation_id: CONVERSATION, client_message_id: 'm1', content: '€'.repeat(30_000) };
  const accepted = { message_id: 'q', seq: 5, run_id: RUN, duplicate: false };
  server.answers.set(`POST /conversations/${CONVERSATION}/messages`, () => ({ status: 202, body: accepted }));
  expect(await client.sendMessage(message)).toEqual(accepted);
  expect(server.socket.sentOf('message.send')).toEqual([]);
});

const OTHER = '44444444-4444-4444-8444-444444444444';
const POST = `POST /conversations/${CONVERSATION}/messages`;
const accepted = { message_id: 'q', seq: 5, run_id: RUN, duplicate: false };

function send(client_message_id: string, content: string, conversation_id = CONVERSATION) {
  const sent = client.sendMessage({ conversation_id, client_message_id, content });
  sent.catch(() => undefined);
  return sent;
}

const framed = () => server.socket.sentOf('message.send').map(({ data }) => data.client_message_id);

test('keeps the order of a conversation around a message that goes over HTTP, and holds up no other', async () => {
  server.answers.set(POST, () => ({ status: 202, body: accepted }));
  const order: string[] = [];
  for (const [id, content] of [
    ['a', 'one'],
    ['b', '€'.repeat(30_000)],
    ['c', 'three'],
  ] as const)
    void send(id, content).then(() => order.push(id));
  void send('d', 'elsewhere', OTHER);
  await settle();
  expect([framed(), server.countOf('/conversations')]).toEqual([['a', 'd'], 0]);
  server.socket.deliver('message.accepted', { ...accepted, client_message_id: 'a' });
  await settle();
  expect(server.countOf('/conversations')).toBe(1);
  expect(framed()).toEqual(['a', 'd', 'c']);
  server.socket.deliver('message.accepted', { ...accepted, client_message_id: 'c' });
  await settle();
  expect(order).toEqual(['a', 'b', 'c']);
});

test('does not go on behind a message over HTTP before the server has it', async () => {
  server.answers.set(POST, () => new Error('network down'));
  const large = send('a', '€'.repeat(30_000));
  void send('b', 'two');
  await settle();
  // More often than a server may refuse a message: the network is no refusal.
  for (let attempt = 0; attempt < 8; attempt++) {
    await jest.advanceTimersByTimeAsync(30_000);
    server.socket.deliver('pong', { server_time: '' });
  }
  expect(server.countOf('/conversations')).toBeGreaterThan(10);
  expect(framed()).toEqual([]);
  server.answers.set(POST, () => ({ status: 202, body: accepted }));
  await reconnect();
  await expect(large).resolves.toEqual(accepted);
  await settle();
  expect(framed()).toEqual(['b']);
});

test('goes on after 1009: the largest message goes over HTTP, the others again as frames', async () => {
  server.answers.set(POST, () => ({ status: 413, body: problem('payload_too_large', 413) }));
  const sent = [send('a', 'one'), send('b', 'x'.repeat(30_000)), send('c', 'three', OTHER)];
  expect(framed()).toEqual(['a', 'b', 'c']);
  server.socket.end(CLOSE_CODES.frame_too_large, 'frame_too_large');
  await settle();
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  server.socket.ready();
  await settle();
  expect(framed()).toEqual(['a', 'c']);
  for (const id of ['a', 'c'])
    server.socket.deliver('message.accepted', { ...accepted, client_message_id: id });
  await expect(sent[1]).rejects.toMatchObject({ code: 'payload_too_large', kind: 'request' });
  await expect(Promise.all([sent[0], sent[2]])).resolves.toHaveLength(2);
  expect(client.state.name).toBe('open');
});

test('tells before it sends that a frame is too large for this server', async () => {
  await reconnect();
  server.socket.ready({ limits: { max_frame_bytes: 1_000, frames_per_minute: 600 } });
  const { length } = server.socket.sent;
  await expect(client.cancelRun('x'.repeat(1_000))).rejects.toMatchObject({ code: 'payload_too_large' });
  expect(server.socket.sent).toHaveLength(length);
  server.answers.set(POST, () => ({ status: 202, body: accepted }));
  await expect(send('a', 'ä'.repeat(500))).resolves.toEqual(accepted);
  expect(framed()).toEqual([]);
});

test('stops listening to a conversation that was deleted', async () => {
  client.subscribe(CONVERSATION, 4);
  server.socket.deliver('unsubscribed', { conversation_id: CONVERSATION, reason: 'conversation_not_found' });
  await reconnect();
  expect(server.socket.sentOf('resume')).toEqual([]);
});

test('drops events that it has seen', () => {
  const seen: (number | undefined)[] = [];
  client.on('frame', (frame) => seen.push(frame.seq));
  client.subscribe(CONVERSATION, 4);
  for (const seq of [3, 4, 5, 5, 6, 5]) event(seq);
  expect(seen).toEqual([5, 6]);
});

function resumed(fromSeq: number, toSeq: number): void {
  const re = server.socket.sentOf('resume').at(-1)?.id;
  const replayed = toSeq - fromSeq;
  const data = {
    conversation_id: CONVERSATION,
    recovered: true,
    from_seq: fromSeq,
    to_seq: toSeq,
    replayed,
  };
  server.socket.deliver('resumed', data, { re });
}

test('asks once for missing events, and delivers nothing out of order meanwhile', () => {
  const seen: (number | undefined)[] = [];
  const stale: string[] = [];
  client.on('frame', (frame) => frame.seq !== undefined && seen.push(frame.seq));
  client.on('stale', (id) => stale.push(id));
  client.subscribe(CONVERSATION, 4);
  resumed(4, 4);
  for (const seq of [5, 8, 9]) event(seq);
  expect(seen).toEqual([5]);
  expect(server.socket.sentOf('resume').map((frame) => frame.data)).toEqual(
    [4, 5].map((seq) => ({ cursors: [{ conversation_id: CONVERSATION, seq }] })),
  );
  resumed(5, 9);
  for (const seq of [6, 7, 8, 9, 10]) event(seq);
  expect(seen).toEqual([5, 6, 7, 8, 9, 10]);
  expect(stale).toEqual([]);
});

test('reports a gap once when it remains after asking, and does not ask again', () => {
  const seen: (number | undefined)[] = [];
  const stale: string[] = [];
  client.on('frame', (frame) => frame.seq !== undefined && seen.push(frame.seq));
  client.on('stale', (id) => stale.push(id));
  client.subscribe(CONVERSATION, 4);
  event(6);
  resumed(4, 8);
  for (const seq of [6, 7, 8]) event(seq);
  expect(stale).toEqual([CONVERSATION]);
  expect(seen).toEqual([]);
  expect(server.socket.sentOf('resume')).toHaveLength(2);
  client.subscribe(CONVERSATION, 9);
  event(10);
  expect(seen).toEqual([10]);
});

test('reports a conversation that is too far behind to be replayed', () => {
  const stale: string[] = [];
  client.on('stale', (id) => stale.push(id));
  client.subscribe(CONVERSATION, 4);
  const re = server.socket.sentOf('resume')[0]?.id;
  const resumed = {
    conversation_id: CONVERSATION,
    recovered: false,
    from_seq: 5,
    to_seq: 2_000,
    replayed: 0,
  };
  server.socket.deliver('resumed', resumed, { re });
  expect(stale).toEqual([CONVERSATION]);
});

test('forgets a conversation that no longer exists, and reports it', async () => {
  const codes: string[] = [];
  client.on('error', (error) => codes.push(error.code));
  client.subscribe(CONVERSATION, 4);
  const re = server.socket.sentOf('resume')[0]?.id;
  server.socket.deliver('error', problem('conversation_not_found', 404) as Problem, { re });
  await settle();
  expect(codes).toEqual(['conversation_not_found']);
  await reconnect();
  expect(server.socket.sentOf('resume')).toEqual([]);
});

test('retries a conversation that could not be resumed for now', async () => {
  client.subscribe(CONVERSATION, 4);
  const re = server.socket.sentOf('resume')[0]?.id;
  const refusal = problem('dependency_unavailable', 503, 'after', 2_000) as Problem;
  server.socket.deliver('error', refusal, { re });
  await settle();
  await jest.advanceTimersByTimeAsync(2_000);
  expect(server.socket.sentOf('resume')).toHaveLength(2);
});

test('resends unacknowledged messages with the same client_message_id and in order', async () => {
  const first = client.sendMessage({ conversation_id: CONVERSATION, client_message_id: 'a', content: 'one' });
  const second = client.sendMessage({
    conversation_id: CONVERSATION,
    client_message_id: 'b',
    content: 'two',
  });
  await reconnect();
  expect(server.socket.sentOf('message.send').map((frame) => frame.data.client_message_id)).toEqual([
    'a',
    'b',
  ]);
  const accepted = { message_id: 'm', seq: 1, run_id: RUN, duplicate: true };
  server.socket.deliver('message.accepted', { ...accepted, client_message_id: 'a' });
  server.socket.deliver('message.accepted', { ...accepted, client_message_id: 'b' });
  await expect(first).resolves.toMatchObject({ duplicate: true });
  await expect(second).resolves.toMatchObject({ run_id: RUN });
  await reconnect();
  expect(server.socket.sentOf('message.send')).toEqual([]);
});

test('waits before it repeats a message that was refused for now', async () => {
  const sent = client.sendMessage({ conversation_id: CONVERSATION, client_message_id: 'a', content: 'one' });
  const re = server.socket.sentOf('message.send')[0]?.id;
  server.socket.deliver('error', problem('rate_limited', 429, 'after', 2_000) as Problem, { re });
  await jest.advanceTimersByTimeAsync(1_999);
  expect(server.socket.sentOf('message.send')).toHaveLength(1);
  await jest.advanceTimersByTimeAsync(1);
  expect(server.socket.sentOf('message.send')).toHaveLength(2);
  client.close();
  await expect(sent).rejects.toMatchObject({ code: 'closed' });
});

test('rejects a message that the server will never accept', async () => {
  const sent = client.sendMessage({ conversation_id: CONVERSATION, client_message_id: 'a', content: 'one' });
  const re = server.socket.sentOf('message.send')[0]?.id;
  server.socket.deliver('error', problem('idempotency_conflict', 409) as Problem, { re });
  await expect(sent).rejects.toMatchObject({ code: 'idempotency_conflict', kind: 'request' });
});

test('passes on the error of the server when there is nothing to cancel', async () => {
  const cancelled = client.cancelRun(RUN);
  const re = server.socket.sentOf('run.cancel')[0]?.id;
  server.socket.deliver('error', problem('run_not_found', 404) as Problem, { re });
  await expect(cancelled).rejects.toMatchObject({ code: 'run_not_found' });
});

test('passes on an error that answers no frame', () => {
  const codes: string[] = [];
  client.on('error', (error) => codes.push(error.code));
  server.socket.deliver('error', problem('internal', 500, 'backoff') as Problem);
  expect(codes).toEqual(['internal']);
});
