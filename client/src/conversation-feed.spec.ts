import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Message } from '../../protocol/resources.js';
import { ANSWER, CONVERSATION, FakeServer, RUN, settle, useFakeClock } from '../spec/fake-server.js';
import { ChatApi } from './api.js';
import { ChatClient } from './chat-client.js';
import { ConversationFeed } from './conversation-feed.js';

let server: FakeServer;
let client: ChatClient;
let feed: ConversationFeed;
let stored: Message[];

const path = `/conversations/${CONVERSATION}`;
const answer: Message = {
  id: ANSWER,
  role: 'assistant',
  content: '',
  status: 'streaming',
  seq: 1,
  run_id: RUN,
  created_at: '2026-01-01T00:00:00.000Z',
};

function live(type: 'message.delta' | 'run.completed', data: object, seq?: number): void {
  const rest = { conversation_id: CONVERSATION, ...(seq !== undefined && { seq }) };
  server.socket.deliver(type, { run_id: RUN, message_id: ANSWER, ...data } as never, rest);
}

// printf 'Hello' | sha256sum, and so on
const DIGESTS = {
  Hello: '185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969',
  'Hello world': '64ec88ca00b268e5ba1a35678a1b5316d212f4f366b2477232534a8aeca37f3c',
};

function complete(text: keyof typeof DIGESTS): void {
  live('run.completed', { finish_reason: 'stop', length: text.length, sha256: DIGESTS[text] }, 2);
}

beforeEach(async () => {
  useFakeClock();
  server = new FakeServer();
  stored = [];
  server.answers.set(`GET ${path}`, () => ({
    status: 200,
    body: { title: 'Talk', last_seq: stored.at(-1)?.seq ?? 0 },
  }));
  server.answers.set(`GET ${path}/messages`, () => ({
    status: 200,
    body: { messages: stored, has_more: false },
  }));
  server.answers.set(`GET ${path}/events`, () => ({ status: 200, body: { events: [], last_seq: 0 } }));
  const options = {
    baseUrl: 'https://chat.example',
    getAccessToken: async () => 'jwt',
    fetch: server.fetch,
    createSocket: server.createSocket,
  };
  client = new ChatClient(options);
  feed = new ConversationFeed(client, new ChatApi(options), CONVERSATION);
  client.connect();
  await settle();
  server.socket.ready();
});

afterEach(() => {
  feed.close();
  client.close();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

test('loads history, then listens from its end', async () => {
  stored = [{ ...answer, content: 'Earlier', status: 'complete' }];
  feed.open();
  expect(feed.state.phase).toBe('loading');
  await settle();
  expect(feed.state).toMatchObject({ phase: 'ready', title: 'Talk', messages: [{ content: 'Earlier' }] });
  expect(server.socket.sentOf('resume')[0]?.data).toEqual({
    cursors: [{ conversation_id: CONVERSATION, seq: 1 }],
  });
});

test('reports when loading fails, and can load again', async () => {
  const good = server.answers.get(`GET ${path}/messages`);
  server.answers.set(`GET ${path}/messages`, () => new Error('network down'));
  feed.open();
  await settle();
  expect(feed.state).toMatchObject({ phase: 'failed', error: { kind: 'connection' } });
  if (good) server.answers.set(`GET ${path}/messages`, good);
  await feed.load();
  expect(feed.state.phase).toBe('ready');
});

test('keeps a complete answer, and reloads an incomplete one', async () => {
  stored = [answer];
  feed.open();
  await settle();
  live('message.delta', { offset: 0, text: 'Hello' });
  stored = [{ ...answer, content: 'Hello world', status: 'complete' }];
  const before = server.countOf(`${path}/messages`);
  complete('Hello world');
  await settle();
  expect(server.countOf(`${path}/messages`)).toBe(before + 1);
  expect(server.calls.at(-1)?.path).toContain('after_seq=0&limit=1');
  expect(feed.state.messages[0]).toMatchObject({ content: 'Hello world', status: 'complete' });
});

test('retries an incomplete answer when the server could not return it', async () => {
  stored = [answer];
  feed.open();
  await settle();
  live('message.delta', { offset: 0, text: 'Hello' });
  stored = [{ ...answer, content: 'Hello world', status: 'complete' }];
  const good = server.answers.get(`GET ${path}/messages`);
  server.answers.set(`GET ${path}/messages`, () => new Error('no answer in time'));
  complete('Hello world');
  await settle();
  expect(feed.state.phase).toBe('failed');
  await jest.advanceTimersByTimeAsync(500);
  expect(feed.state.phase).toBe('failed');
  if (good) server.answers.set(`GET ${path}/messages`, good);
  await jest.advanceTimersByTimeAsync(30_000);
  expect(feed.state.phase).toBe('ready');
  expect(feed.state.messages[0]).toMatchObject({ content: 'Hello world', status: 'complete' });
});

test('does not reload a complete answer', async () => {
  stored = [answer];
  feed.open();
  await settle();
  live('message.delta', { offset: 0, text: 'Hello' });
  const before = server.calls.length;
  complete('Hello');
  await settle();
  expect(server.calls).toHaveLength(before);
  expect(feed.state.messages[0]).toMatchObject({ content: 'Hello', status: 'complete' });
});

test('asks once for the text when a piece of it is missing', async () => {
  stored = [answer];
  feed.open();
  await settle();
  live('message.delta', { offset: 10, text: 'late' });
  live('message.delta', { offset: 14, text: 'later' });
  expect(server.socket.sentOf('resume')).toHaveLength(2);
});

test('shows an own message as pending until the conversation contains it', async () => {
  feed.open();
  await settle();
  feed.send('Hi');
  expect(feed.state.pending).toMatchObject([{ content: 'Hi', status: 'sending' }]);
  const sent = server.socket.sentOf('message.send')[0]?.data;
  const message = {
    ...answer,
    role: 'user' as const,
    content: 'Hi',
    client_message_id: String(sent?.client_message_id),
  };
  server.socket.deliver('message.created', { message }, { conversation_id: CONVERSATION, seq: 1 });
  expect(feed.state).toMatchObject({ pending: [], messages: [{ content: 'Hi' }] });
});

test('loads over HTTP what arrived in part', async () => {
  feed.open();
  await settle();
  const whole = { ...answer, role: 'user' as const, content: 'Why is it so?', status: 'complete' as const };
  const event = {
    type: 'message.created',
    conversation_id: CONVERSATION,
    seq: 1,
    ts: '',
    data: { message: whole },
  };
  server.answers.set(`GET ${path}/events`, () => ({ status: 200, body: { events: [event], last_seq: 1 } }));
  const message = { ...whole, content: 'Why', truncated: true as const };
  server.socket.deliver('message.created', { message }, { conversation_id: CONVERSATION, seq: 1 });
  expect(feed.state.messages).toMatchObject([{ content: 'Why' }]);
  await settle();
  expect(feed.state.messages).toMatchObject([{ content: 'Why is it so?' }]);
});

test('reports that the conversation was deleted', async () => {
  feed.open();
  await settle();
  const data = { conversation_id: CONVERSATION, reason: 'conversation_not_found' as const };
  server.socket.deliver('unsubscribed', data, { conversation_id: CONVERSATION });
  expect(feed.state).toMatchObject({
    phase: 'failed',
    error: { code: 'conversation_not_found', retry: 'none' },
  });
});

test('lists the queued runs until they start', async () => {
  feed.open();
  await settle();
  const progress = (position: number) =>
    server.socket.deliver(
      'run.progress',
      { run_id: RUN, state: 'queued', position, elapsed_ms: 10 },
      { conversation_id: CONVERSATION },
    );
  progress(2);
  progress(1);
  expect([...feed.state.queued]).toEqual([[RUN, 1]]);
  const rest = { conversation_id: CONVERSATION, seq: 1 };
  server.socket.deliver('message.created', { message: answer }, rest);
  server.socket.deliver(
    'run.started',
    { run_id: RUN, message_id: ANSWER, responder: 'x' },
    { ...rest, seq: 2 },
  );
  progress(1);
  expect([...feed.state.queued]).toEqual([]);
});
