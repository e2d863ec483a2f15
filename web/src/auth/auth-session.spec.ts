import { beforeEach, expect, test } from '@jest/globals';
import { ChatApi } from '../../../client/src/index.js';
import { AuthSession } from './auth-session.js';

const user = { id: 'u', email: 'a@example.test', role: 'user', display_name: 'A' };

let session: AuthSession;
let stored: Map<string, string>;
let calls: { path: string; body: unknown; authorization: string | null }[];
let answer: (path: string) => Promise<Response>;
let clock: number;
let tokens: number;
let lifeSeconds: number;

function signIn(): Response {
  tokens += 1;
  const given = { access_token: `access${tokens}`, refresh_token: `refresh${tokens}` };
  const body = { ...given, expires_in: lifeSeconds, user };
  return Response.json(body);
}

function refusal(code: string): Response {
  return Response.json({ code, title: code, status: 401, retry: 'none', retry_after_ms: 0 }, { status: 401 });
}

function storedToken(): string | undefined {
  return [...stored.values()][0];
}

function reload(): void {
  const api = new ChatApi({
    baseUrl: 'https://chat.example',
    getAccessToken: (request) => session.getAccessToken(request),
    fetch: (url, init) => {
      const { pathname: path } = new URL(url);
      const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
      calls.push({ path, body, authorization: new Headers(init.headers).get('authorization') });
      return answer(path);
    },
  });
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  session = new AuthSession({ api, storage, now: () => clock });
}

beforeEach(async () => {
  stored = new Map();
  calls = [];
  tokens = 0;
  clock = 0;
  lifeSeconds = 900;
  answer = async (path) => (path === '/auth/logout' ? new Response(null, { status: 204 }) : signIn());
  reload();
  await session.signIn('a@example.test', 'demo-password');
  calls = [];
});

test('without a stored sign-in no request is made', async () => {
  stored.clear();
  reload();
  expect(session.getState()).toEqual({ name: 'restoring' });
  await session.restore();
  expect(session.getState()).toEqual({ name: 'signed-out' });
  expect(calls).toEqual([]);
});

test('a reload is restored and validated by exactly one request', async () => {
  reload();
  await session.restore();
  expect(session.getState()).toEqual({ name: 'signed-in', user });
  expect(calls.map((call) => [call.path, call.body])).toEqual([
    ['/auth/refresh', { refresh_token: 'refresh1' }],
  ]);
  expect(storedToken()).toBe('refresh2');
});

test('the access token is never stored', () => {
  expect([...stored.values()]).toEqual(['refresh1']);
});

test('a used refresh token leads to the sign-in form, with the reason', async () => {
  answer = async () => refusal('refresh_reused');
  reload();
  await session.restore();
  expect(session.getState()).toMatchObject({
    name: 'signed-out',
    reason: expect.stringContaining('two windows'),
  });
  expect(stored.size).toBe(0);
});

test('an unreachable server does not end the sign-in', async () => {
  answer = () => Promise.reject(new Error('network down'));
  reload();
  await session.restore();
  expect(session.getState()).toMatchObject({ name: 'unreachable', error: { kind: 'connection' } });
  expect(storedToken()).toBe('refresh1');
  answer = async () => signIn();
  await session.restore();
  expect(session.getState().name).toBe('signed-in');
});

test('a token is renewed shortly before it expires, and once for all waiting callers', async () => {
  expect(await session.getAccessToken({ fresh: false })).toBe('access1');
  clock = 880_000;
  const both = [session.getAccessToken({ fresh: false }), session.getAccessToken({ fresh: true })];
  expect(await Promise.all(both)).toEqual(['access2', 'access2']);
  expect(calls).toHaveLength(1);
});

test('a token of a short life is used for most of it', async () => {
  lifeSeconds = 10;
  await session.signIn('a@example.test', 'demo-password');
  calls = [];
  clock = 7_000;
  expect(await session.getAccessToken({ fresh: false })).toBe('access2');
  clock = 8_000;
  expect(await session.getAccessToken({ fresh: false })).toBe('access3');
  expect(calls).toHaveLength(1);
});

test('signing out removes everything at once, and tells the server', async () => {
  const done = session.signOut();
  expect(session.getState()).toEqual({ name: 'signed-out' });
  expect(stored.size).toBe(0);
  await done;
  expect(calls).toMatchObject([{ path: '/auth/logout', authorization: 'Bearer access1' }]);
});

test('signing out with an expired access token still ends the session', async () => {
  clock = 900_000;
  await session.signOut();
  expect(calls.map((call) => call.path)).toEqual(['/auth/refresh', '/auth/logout']);
  expect(stored.size).toBe(0);
});

test('signing out without a server reports that the session is still active there', async () => {
  answer = () => Promise.reject(new Error('network down'));
  await session.signOut();
  expect(session.getState()).toMatchObject({ reason: expect.stringContaining('could not be told') });
});

test('an answer that arrives after signing out does not sign in again', async () => {
  let arrive: (response: Response) => void = () => undefined;
  answer = (path) =>
    path === '/auth/refresh'
      ? new Promise((resolve) => (arrive = resolve))
      : Promise.resolve(new Response(null, { status: 204 }));
  const renewal = session.getAccessToken({ fresh: true });
  await Promise.resolve();
  await session.signOut();
  arrive(signIn());
  await renewal;
  expect(session.getState().name).toBe('signed-out');
  expect(stored.size).toBe(0);
});

test('a session that the server ended is cleared, with the reason', async () => {
  answer = async () => refusal('session_revoked');
  await expect(session.getAccessToken({ fresh: true })).rejects.toMatchObject({ code: 'session_revoked' });
  expect(session.getState()).toMatchObject({ name: 'signed-out', reason: expect.stringContaining('ended') });
});
