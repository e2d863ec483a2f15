import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { CLOSE_CODES } from '../../protocol/close-codes.js';
import {
  ANSWER,
  CONVERSATION,
  FakeServer,
  type FakeSocket,
  RUN,
  settle,
  useFakeClock,
} from '../spec/fake-server.js';
import { ChatClient } from './chat-client.js';
import type { ConnectionState } from './connection-state.js';

const SLOT_MS = 2_000;
const DEADLINE_MS = 18_000;

let server: FakeServer;
let client: ChatClient;
let states: ConnectionState['name'][];

function told(socket: FakeSocket, ticket = 'handed'): void {
  const rest = { url: 'wss://chat.example/ws', connect_after_ms: SLOT_MS, deadline_ms: DEADLINE_MS };
  socket.deliver('server.draining', { handoff_ticket: ticket, ...rest });
}

/** Waits for the slot; returns the socket that is dialled then. */
async function slot(): Promise<FakeSocket> {
  const before = server.sockets.length;
  await jest.advanceTimersByTimeAsync(SLOT_MS);
  expect(server.sockets).toHaveLength(before + 1);
  return server.socket;
}

function event(socket: FakeSocket, seq: number): void {
  const data = { run_id: RUN, message_id: ANSWER, responder: 'builtin' };
  socket.deliver('run.started', data, { conversation_id: CONVERSATION, seq });
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
  client.connect();
  await settle();
  server.socket.ready();
  states = [];
  client.on('state', (state) => states.push(state.name));
});

afterEach(() => {
  client.close();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

describe('a client that is asked to move', () => {
  test('waits for its slot, dials with the ticket it got, and makes no HTTP request', async () => {
    const { socket: old } = server;
    const calls = server.calls.length;
    told(old);
    await jest.advanceTimersByTimeAsync(SLOT_MS - 1);
    expect(server.sockets).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(server.socket.url).toBe('wss://chat.example/ws?ticket=handed');
    server.socket.ready({ node: 'n2' });
    old.end(CLOSE_CODES.handoff_done, 'handoff_done');
    await settle();
    expect(server.calls).toHaveLength(calls);
    expect(states).toEqual(['open']);
    expect(client.state).toMatchObject({ name: 'open', ready: { node: 'n2' } });
  });

  test('uses the old socket until the next one is ready, and then resumes every conversation', async () => {
    const { socket: old } = server;
    client.subscribe(CONVERSATION, 4);
    told(old);
    const next = await slot();
    event(old, 5);
    const sent = client.sendMessage({ conversation_id: CONVERSATION, client_message_id: 'a', content: 'x' });
    expect(old.sentOf('message.send')).toHaveLength(1);
    next.ready();
    expect(next.sentOf('resume').map((frame) => frame.data)).toEqual([
      { cursors: [{ conversation_id: CONVERSATION, seq: 5 }] },
    ]);
    // Unacknowledged, so it is repeated; the answer counts on either socket.
    expect(next.sentOf('message.send').map((frame) => frame.data.client_message_id)).toEqual(['a']);
    const accepted = { message_id: 'm', seq: 6, run_id: RUN, duplicate: false, client_message_id: 'a' };
    old.deliver('message.accepted', accepted, { re: old.sentOf('message.send')[0]?.id });
    await expect(sent).resolves.toMatchObject({ message_id: 'm' });
    void client
      .sendMessage({ conversation_id: CONVERSATION, client_message_id: 'b', content: 'y' })
      .catch(() => undefined);
    expect(old.sentOf('message.send')).toHaveLength(1);
    expect(next.sentOf('message.send')).toHaveLength(2);
  });

  test('takes only answers from the old socket once it has moved', async () => {
    const { socket: old } = server;
    const seen: string[] = [];
    client.on('frame', (frame) => seen.push(`${frame.type} ${frame.seq ?? ''}`));
    client.subscribe(CONVERSATION, 4);
    const cancelled = client.cancelRun(RUN);
    told(old);
    const next = await slot();
    next.ready();
    event(old, 5);
    old.deliver('message.delta', { run_id: RUN, message_id: ANSWER, offset: 0, text: 'late' });
    expect(seen).toEqual([]);
    event(next, 5);
    const end = {
      run_id: RUN,
      message_id: ANSWER,
      finish_reason: 'cancelled' as const,
      length: 0,
      sha256: '',
    };
    old.deliver('run.cancelled', end, { re: old.sentOf('run.cancel')[0]?.id });
    await cancelled;
    expect(seen).toEqual(['run.started 5']);
  });

  test('rejects what the old socket has not answered when it ends', async () => {
    const { socket: old } = server;
    const cancelled = client.cancelRun(RUN);
    told(old);
    (await slot()).ready();
    old.end(CLOSE_CODES.handoff_done, 'handoff_done');
    await expect(cancelled).rejects.toMatchObject({ kind: 'connection' });
    expect(client.state.name).toBe('open');
  });

  test('never uses a frame id on both sockets', async () => {
    const { socket: old } = server;
    client.subscribe(CONVERSATION, 4);
    told(old);
    const next = await slot();
    next.ready();
    const ids = [...old.sent, ...next.sent].map((frame) => frame.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(1);
  });

  test('stays open when the old socket is closed before the next one is ready', async () => {
    const { socket: old } = server;
    client.subscribe(CONVERSATION, 4);
    told(old);
    const next = await slot();
    old.end(CLOSE_CODES.handoff_done, 'handoff_done');
    await settle();
    const sent = client.sendMessage({ conversation_id: CONVERSATION, client_message_id: 'a', content: 'x' });
    next.ready();
    expect(states).toEqual(['open']);
    expect(next.sentOf('resume')).toHaveLength(1);
    expect(next.sentOf('message.send')).toHaveLength(1);
    client.close();
    await expect(sent).rejects.toMatchObject({ code: 'closed' });
  });

  test('closes the old socket itself when the server does not', async () => {
    const { socket: old } = server;
    told(old);
    (await slot()).ready();
    expect(old.closedWith).toBeUndefined();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(old.closedWith).toEqual({ code: CLOSE_CODES.normal });
    expect(states).toEqual(['open']);
  });

  test('can be asked to move again by the next node', async () => {
    told(server.socket);
    const second = await slot();
    second.ready();
    told(second, 'handed-on');
    const third = await slot();
    expect(third.url).toContain('ticket=handed-on');
    third.ready();
    expect(states).toEqual(['open', 'open']);
  });

  test('does not expose the ticket', async () => {
    const seen: string[] = [];
    client.on('frame', (frame) => seen.push(frame.type));
    told(server.socket);
    expect(seen).toEqual([]);
  });
});

describe('a move that fails', () => {
  test('is tried again, since a draining node has not consumed the ticket', async () => {
    told(server.socket);
    (await slot()).end();
    await jest.advanceTimersByTimeAsync(750);
    expect(server.sockets.map((socket) => socket.url).slice(1)).toEqual(
      Array(2).fill('wss://chat.example/ws?ticket=handed'),
    );
    server.socket.ready();
    expect(states).toEqual(['open']);
  });

  test('leaves the old socket in use until it ends, and then reconnects', async () => {
    const { socket: old } = server;
    told(old);
    await slot();
    for (let dial = 0; dial < 3; dial += 1) {
      server.socket.end();
      await jest.advanceTimersByTimeAsync(750);
    }
    expect(server.sockets).toHaveLength(4);
    expect(client.state.name).toBe('open');
    old.end(CLOSE_CODES.service_restart, 'service_restart;retry_after_ms=3000');
    await settle();
    expect(client.state).toMatchObject({ name: 'waiting', retryAt: Date.now() + 3_050 });
    await jest.advanceTimersByTimeAsync(3_050);
    await settle();
    expect(server.socket.url).toContain('ticket=secret2');
  });

  test('after the old socket has ended leads to an ordinary reconnect', async () => {
    const { socket: old } = server;
    told(old);
    await slot();
    old.end(CLOSE_CODES.service_restart, 'service_restart');
    await settle();
    expect(client.state.name).toBe('open');
    for (let dial = 0; dial < 3; dial += 1) {
      server.socket.end();
      await jest.advanceTimersByTimeAsync(750);
    }
    expect(client.state.name).not.toBe('open');
  });

  test('does not hide from a client that its session has ended', async () => {
    const { socket: old } = server;
    told(old);
    const next = await slot();
    old.end(CLOSE_CODES.session_revoked, 'session_revoked');
    await settle();
    expect(client.state).toMatchObject({ name: 'stopped', cause: { code: 'session_revoked' } });
    expect(next.closedWith).toEqual({ code: CLOSE_CODES.normal });
  });

  test('by the loss of the old socket before the slot leads to an ordinary reconnect at once', async () => {
    told(server.socket);
    server.socket.end();
    await settle();
    expect(client.state.name).toBe('waiting');
    await jest.advanceTimersByTimeAsync(SLOT_MS);
    expect(server.sockets.map((socket) => socket.url)).not.toContain('wss://chat.example/ws?ticket=handed');
  });
});

test('a socket that ends with handoff_done without a successor is redialled at once', async () => {
  server.socket.end(CLOSE_CODES.handoff_done, 'handoff_done');
  await settle();
  expect(states).toEqual(['minting', 'connecting']);
});
