import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { CLOSE_CODES } from '../../protocol/close-codes.js';
import { CONVERSATION, FakeServer, problem, settle, useFakeClock } from '../spec/fake-server.js';
import type { ChatClientOptions } from './chat-client-options.js';
import { ChatClient } from './chat-client.js';
import type { ApiError } from './errors.js';

let server: FakeServer;
let client: ChatClient;
let authErrors: ApiError[];

function aClient(options: Partial<ChatClientOptions> = {}): ChatClient {
  return new ChatClient({
    baseUrl: 'https://chat.example',
    getAccessToken: async () => 'jwt',
    fetch: server.fetch,
    createSocket: server.createSocket,
    onAuthError: (error) => authErrors.push(error),
    random: () => 0.5,
    ...options,
  });
}

async function open(): Promise<void> {
  client.connect();
  await settle();
  server.socket.ready();
}

beforeEach(() => {
  useFakeClock();
  server = new FakeServer();
  authErrors = [];
  client = aClient();
});

afterEach(() => {
  client.close();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

test('goes from idle through minting and connecting to open', async () => {
  const names: string[] = [client.state.name];
  client.on('state', (state) => names.push(state.name));
  await open();
  expect(names).toEqual(['idle', 'minting', 'connecting', 'open']);
  expect(server.socket.url).toBe('wss://chat.example/ws?ticket=secret1');
  expect(server.socket.protocol).toBe('chat.v1');
});

test('mints a ticket for every attempt, each with a freshly requested token', async () => {
  const tokens = ['first', 'second'];
  client = aClient({ getAccessToken: async () => tokens.shift() });
  await open();
  server.socket.end();
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  expect(server.calls.map((call) => call.authorization)).toEqual(['Bearer first', 'Bearer second']);
  expect(server.sockets.map((socket) => socket.url)).toEqual([
    'wss://chat.example/ws?ticket=secret1',
    'wss://chat.example/ws?ticket=secret2',
  ]);
});

test.each([null, undefined, '', '  ', 'null', 'undefined', 'token_placeholder', 7])(
  'sends nothing at all for the token %p',
  async (token) => {
    client = aClient({ getAccessToken: async () => token as string });
    client.connect();
    await settle();
    expect(server.calls).toEqual([]);
    expect(server.sockets).toEqual([]);
    expect(authErrors.map((error) => error.kind)).toEqual(['auth']);
  },
);

test.each([401, 403])('stops at an auth error %i of the mint, and tries nothing more', async (status) => {
  const code = status === 401 ? 'session_revoked' : 'user_disabled';
  server.answers.set('POST /websocket/ticket', () => ({ status, body: problem(code, status) }));
  client.connect();
  await settle();
  await jest.advanceTimersByTimeAsync(600_000);
  expect(server.countOf('/websocket/ticket')).toBe(1);
  expect(authErrors.map((error) => error.code)).toEqual([code]);
  expect(client.state).toMatchObject({ name: 'stopped', cause: { kind: 'auth' } });
});

test('does not follow retry advice for a request that needs a new sign-in', async () => {
  server.answers.set('POST /websocket/ticket', () => ({
    status: 401,
    body: problem('token_invalid', 401, 'backoff'),
  }));
  client.connect();
  await settle();
  expect(client.state.name).toBe('stopped');
  expect(authErrors).toHaveLength(1);
});

test('does not ask for a new sign-in when a request is refused for another reason', async () => {
  server.answers.set('POST /websocket/ticket', () => ({
    status: 403,
    body: problem('origin_not_allowed', 403),
  }));
  client.connect();
  await settle();
  expect(client.state).toMatchObject({ name: 'stopped', cause: { kind: 'request' } });
  expect(authErrors).toEqual([]);
});

test('waits as long as a 503 says, plus jitter', async () => {
  const refusal = { status: 503, body: problem('draining', 503, 'after', 4_000) };
  server.answers.set('POST /websocket/ticket', () => refusal);
  client.connect();
  await settle();
  expect(client.state).toMatchObject({
    name: 'waiting',
    retryAt: Date.now() + 4_250,
    cause: { kind: 'server' },
  });
});

test('backs off while the network is down, and gives up after the last attempt', async () => {
  server.answers.set('POST /websocket/ticket', () => new Error('network down'));
  client = aClient({ maxAttempts: 3 });
  client.connect();
  await settle();
  const waits: number[] = [];
  while (client.state.name === 'waiting') {
    waits.push(client.state.retryAt - Date.now());
    await jest.advanceTimersByTimeAsync(waits.at(-1) ?? 0);
    await settle();
  }
  expect(waits).toEqual([250, 500, 1_000]);
  expect(client.state).toMatchObject({
    name: 'stopped',
    cause: { kind: 'connection', message: 'Connection failed. Please refresh the page.' },
  });
});

describe('an established socket that ends', () => {
  test.each([
    ['auth_expired', 'minting'],
    ['rebalance', 'minting'],
    ['service_restart', 'waiting'],
    ['going_away', 'waiting'],
    ['internal', 'waiting'],
    ['slow_consumer', 'waiting'],
    ['bad_frame', 'stopped'],
    ['replaced', 'stopped'],
    ['conversation_not_found', 'stopped'],
    ['normal', 'stopped'],
    ['policy_violation', 'stopped'],
  ] as const)('with %s leaves the client %s', async (name, expected) => {
    await open();
    server.socket.end(CLOSE_CODES[name], name);
    await Promise.resolve();
    expect(client.state.name).toBe(expected);
    expect(authErrors).toEqual([]);
  });

  test('with session_revoked stops the client and asks for a new sign-in', async () => {
    await open();
    server.socket.end(CLOSE_CODES.session_revoked, 'session_revoked');
    await settle();
    expect(authErrors.map((error) => error.code)).toEqual(['session_revoked']);
    expect(client.state.name).toBe('stopped');
  });

  test('with retry_after_ms is not redialled before that', async () => {
    await open();
    server.socket.end(CLOSE_CODES.service_restart, 'service_restart;retry_after_ms=3000');
    await settle();
    expect(client.state).toMatchObject({ name: 'waiting', retryAt: Date.now() + 3_050 });
  });

  test('repeatedly with auth_expired is redialled at once only the first time', async () => {
    await open();
    server.socket.end(CLOSE_CODES.auth_expired, 'auth_expired');
    await settle();
    server.socket.ready();
    server.socket.end(CLOSE_CODES.auth_expired, 'auth_expired');
    await settle();
    expect(client.state.name).toBe('waiting');
  });

  test('after a stable time restores the whole budget', async () => {
    client = aClient({ maxAttempts: 1 });
    for (let round = 0; round < 3; round += 1) {
      await open();
      await jest.advanceTimersByTimeAsync(10_000);
      server.socket.end();
      await settle();
      expect(client.state.name).toBe('waiting');
      await jest.advanceTimersByTimeAsync(100);
      await settle();
    }
  });
});

describe('a handshake that fails', () => {
  async function failWith(receipt: object): Promise<void> {
    server.receipt(1, receipt);
    client.connect();
    await settle();
    server.socket.end();
    await settle();
  }

  test('is explained by the receipt: after a used ticket it mints a new one at once', async () => {
    await failWith({ state: 'rejected', code: 'ticket_consumed' });
    expect(server.sockets).toHaveLength(2);
  });

  test('is explained by the receipt: an ended session requires signing in again', async () => {
    await failWith({ state: 'rejected', code: 'session_expired' });
    expect(authErrors.map((error) => error.code)).toEqual(['session_expired']);
    expect(server.sockets).toHaveLength(1);
  });

  test('is explained by the receipt: a refused origin is final', async () => {
    await failWith({ state: 'rejected', code: 'origin_not_allowed' });
    expect(client.state).toMatchObject({ name: 'stopped', cause: { code: 'origin_not_allowed' } });
  });

  test('with a ticket that no server saw counts as a network error', async () => {
    await failWith({ state: 'pending' });
    expect(client.state).toMatchObject({ name: 'waiting', cause: { kind: 'connection' } });
  });

  test('without any answer is given up after the time limit', async () => {
    server.receipt(1, { state: 'pending' });
    client.connect();
    await settle();
    await jest.advanceTimersByTimeAsync(10_100);
    await settle();
    expect(client.state.name).toBe('waiting');
  });
});

test('renews the connection with a fresh token when the sign-in is about to expire', async () => {
  const asked: boolean[] = [];
  client = aClient({
    getAccessToken: async ({ fresh }) => {
      asked.push(fresh);
      return 'jwt';
    },
  });
  await open();
  server.socket.deliver('auth.expiring', { expires_at: '' });
  await settle();
  expect(asked).toEqual([false, true]);
  expect(server.calls.at(-1)?.body).toEqual({ client_id: client.clientId, purpose: 'refresh' });
  expect(server.socket.sentOf('auth.refresh').map((frame) => frame.data)).toEqual([{ ticket: 'secret2' }]);
});

test('dials with a fresh token when the connection ended with its token, until it has one', async () => {
  const asked: boolean[] = [];
  let isOffline = false;
  client = aClient({
    getAccessToken: async ({ fresh }) => {
      asked.push(fresh);
      if (isOffline) throw new Error('no network');
      return 'jwt';
    },
  });
  await open();
  isOffline = true;
  server.socket.end(CLOSE_CODES.auth_expired, 'auth_expired');
  await settle();
  isOffline = false;
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  server.socket.ready();
  server.socket.end();
  await settle();
  await jest.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual([false, true, true, false]);
});

test('asks for a fresh token once when the server says that the one it was given has expired', async () => {
  const asked: boolean[] = [];
  client = aClient({
    getAccessToken: async ({ fresh }) => {
      asked.push(fresh);
      return fresh ? 'new' : 'old';
    },
  });
  const expired = { status: 401, body: problem('token_expired', 401) };
  const issue = server.answers.get('POST /websocket/ticket')!;
  server.answers.set('POST /websocket/ticket', () =>
    server.calls.at(-1)?.authorization === 'Bearer old' ? expired : issue(),
  );
  await open();
  expect([client.state.name, asked]).toEqual(['open', [false, true]]);
  server.answers.set('POST /websocket/ticket', () => expired);
  server.socket.end();
  await settle();
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  expect([client.state.name, asked]).toEqual(['stopped', [false, true, false, true]]);
  expect(authErrors.map((error) => error.code)).toEqual(['token_expired']);
});

test('notices a network that went down silently', async () => {
  await open();
  await jest.advanceTimersByTimeAsync(30_000);
  expect(server.socket.sentOf('ping')).toHaveLength(1);
  await jest.advanceTimersByTimeAsync(10_100);
  await settle();
  expect(client.state.name).toBe('waiting');
});

test('waits as long for an answer as the server says, also where that is longer than the interval', async () => {
  client.connect();
  await settle();
  server.socket.ready({ heartbeat: { interval_ms: 1_000, timeout_ms: 10_000 } });
  await jest.advanceTimersByTimeAsync(10_900);
  expect([client.state.name, server.socket.sentOf('ping').length]).toEqual(['open', 1]);
  await jest.advanceTimersByTimeAsync(210);
  await settle();
  expect(client.state.name).toBe('waiting');
});

test('takes what came while the page slept before it gives the connection up', async () => {
  await open();
  const { socket } = server;
  await jest.advanceTimersByTimeAsync(30_000);
  // The page sleeps, and wakes with its timers first.
  await jest.advanceTimersByTimeAsync(10_000);
  socket.deliver('pong', { server_time: '' });
  await jest.advanceTimersByTimeAsync(19_900);
  expect([client.state.name, server.sockets.length]).toEqual(['open', 1]);
  expect(socket.sentOf('ping')).toHaveLength(1);
});

test('waits for weeks where it is told to, though timers count in 32 bits', async () => {
  const weeks = 60 * 24 * 3_600_000;
  server.answers.set('POST /websocket/ticket', () => ({
    status: 429,
    body: problem('rate_limited', 429, 'after', weeks),
  }));
  client.connect();
  await settle();
  await jest.advanceTimersByTimeAsync(3_600_000);
  expect([client.state.name, server.countOf('/websocket/ticket')]).toEqual(['waiting', 1]);
});

test('opens no socket when it is closed while it waits for the ticket', async () => {
  client.connect();
  client.close();
  await settle();
  expect(server.sockets).toEqual([]);
});

test('close ends the socket with 1000 and ignores later frames', async () => {
  await open();
  client.subscribe(CONVERSATION, 0);
  const frames: string[] = [];
  client.on('frame', (frame) => frames.push(frame.type));
  client.close();
  server.socket.deliver('notice', { code: 'reload', detail: '' });
  server.socket.end(CLOSE_CODES.internal);
  expect(server.socket.closedWith).toEqual({ code: CLOSE_CODES.normal });
  expect(frames).toEqual([]);
  expect(client.state).toEqual({ name: 'stopped' });
});
