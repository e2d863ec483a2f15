import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { Me, SignIn, User } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket, register, remembered, signIn } from './support/user.js';

const LOGIN_LIMIT = 2;
/** Wrong passwords from one address, for all accounts together. */
const FAILURE_LIMIT = 10 * LOGIN_LIMIT;

describe('signing in and out', () => {
  let cluster: Cluster;
  let node: TestNode;
  /** Registration is closed, two wrong passwords are allowed, and a proxy names the client's address. */
  let strict: TestNode;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    node = cluster.node;
    strict = await cluster.addNode({
      REGISTRATION: 'closed',
      TRUST_PROXY: '1',
      LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: String(LOGIN_LIMIT),
    });
  });

  afterAll(() => cluster.stop());

  const post = <Body = Problem>(path: string, body: unknown, on = node) =>
    request<Body>('POST', `${on.url}${path}`, { body });
  /** A sign-in to the strict node from this address. */
  const loginFrom = (address: string, email: string, password: string, userAgent = 'phone') =>
    request<SignIn & Problem>('POST', `${strict.url}/auth/login`, {
      body: { email, password },
      headers: { 'x-forwarded-for': address, 'user-agent': userAgent },
    });
  const refresh = <Body = Problem>(refreshToken: string, on = node) =>
    post<Body>('/auth/refresh', { refresh_token: refreshToken }, on);
  const me = (accessToken: string, on = node) =>
    request<Problem>('GET', `${on.url}/auth/me`, { token: accessToken });

  it('makes an ordinary user, whatever else the registration asks for', async () => {
    const body = {
      email: 'Mallory@Example.Test',
      password: 'a long enough passphrase',
      display_name: 'Mallory',
      role: 'admin',
      id: '00000000-0000-4000-8000-000000000000',
    };
    const answer = await post<{ user: User }>('/auth/register', body);
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      user: { id: expect.any(String), email: 'mallory@example.test', display_name: 'Mallory', role: 'user' },
    });
    expect(answer.body.user.id).not.toBe(body.id);
    const again = await post('/auth/register', { ...body, email: 'mallory@example.test' });
    expect([again.status, again.body.code]).toEqual([409, 'email_taken']);
  });

  it('registers nobody while registration is closed', async () => {
    const body = { email: 'nobody@example.test', password: 'a long enough passphrase' };
    const answer = await post('/auth/register', body, strict);
    expect(answer.status).toBe(403);
    expect(answer.body.code).toBe('registration_closed');
    expect((await post('/auth/login', body)).status).toBe(401);
  });

  it('takes passwords of 12 to 128 characters, compares all of them, and refuses common ones', async () => {
    const refused = ['elevenchars', 'x'.repeat(64) + 'y'.repeat(65), 'passwordpassword', 'aaaaaaaaaaaaaa'];
    for (const [index, password] of refused.entries()) {
      const answer = await post('/auth/register', { email: `refused-${index}@example.test`, password });
      expect(answer.body.code).toBe('validation_failed');
    }
    const long = 'long passphrase '.repeat(8);
    const { email } = await register(node, { password: long });
    expect((await post('/auth/login', { email, password: long })).status).toBe(200);
    // bcrypt would compare only 72 bytes.
    expect((await post('/auth/login', { email, password: `${long.slice(0, 127)}!` })).status).toBe(401);
  });

  it('returns tokens that may not be cached, for a new session at each sign-in', async () => {
    const { email, password, user } = await register(node);
    const first = await post<SignIn>('/auth/login', { email: email.toUpperCase(), password });
    const planted = { email, password, session_id: first.body.session_id };
    const second = await post<SignIn>('/auth/login', planted);
    for (const { body } of [first, second]) remembered(body);
    expect(first.status).toBe(200);
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect(first.headers.get('set-cookie')).toBeNull();
    expect(first.body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.any(String),
      session_id: expect.any(String),
      user,
    });
    expect(second.body.session_id).not.toBe(first.body.session_id);
    expect(second.body.refresh_token).not.toBe(first.body.refresh_token);
  });

  it('tells a signed-in user who they are', async () => {
    const user = await aUser(cluster);
    const { body } = await as<Me>(user, 'GET', `${strict.url}/auth/me`, { expect: 200 });
    expect(body).toEqual({ user: user.user, session_id: user.sessionId, expires_at: expect.any(String) });
    expect(Date.parse(body.expires_at) - Date.now()).toBeGreaterThan(890_000);
  });

  it('gives the same response in the same time for an unknown address and a wrong password', async () => {
    const { email } = await register(node);
    const times = { known: [] as number[], unknown: [] as number[] };
    const seen = new Set<string>();
    for (let round = 0; round < 7; round++) {
      for (const kind of ['known', 'unknown'] as const) {
        const start = performance.now();
        const answer = await post('/auth/login', {
          email: kind === 'known' ? email : `nobody-${round}@example.test`,
          password: 'not the right password',
        });
        times[kind].push(performance.now() - start);
        expect(answer.status).toBe(401);
        const { trace_id: _traceId, ...problem } = answer.body;
        const names = [...answer.headers.keys()].filter((name) => name !== 'date');
        seen.add(JSON.stringify([problem, names, answer.headers.get('ratelimit-policy')]));
      }
    }
    expect([...seen]).toEqual([expect.stringContaining('"code":"credentials_invalid"')]);
    const ratio = median(times.known) / median(times.unknown);
    // A response without a hash would come twenty times faster.
    expect(ratio).toBeGreaterThan(0.4);
    expect(ratio).toBeLessThan(2.5);
  });

  it('lets nobody guess at one account for long, and reports the state of the limit', async () => {
    const { email, password } = await register(node);
    for (let count = 1; count <= LOGIN_LIMIT; count++) {
      const { status, headers } = await loginFrom('192.0.2.1', email, 'a wrong password');
      expect(status).toBe(401);
      expect(headers.get('ratelimit')).toMatch(`"logins";r=${LOGIN_LIMIT - count};t=`);
      expect(headers.get('ratelimit-policy')).toBe(`"logins";q=${LOGIN_LIMIT};w=60`);
    }
    const answer = await loginFrom('192.0.2.1', email, password);
    expect(answer.status).toBe(429);
    expect(answer.body).toMatchObject({ code: 'rate_limited', retry: 'after' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.headers.get('ratelimit')).toMatch(/"logins";r=0/);
    const unknown = [];
    for (let count = 0; count <= LOGIN_LIMIT; count++)
      unknown.push((await loginFrom('192.0.2.1', 'nobody-here@example.test', 'a wrong password')).status);
    expect(unknown).toEqual([401, 401, 429]);
  });

  it('keeps nobody out of a known device because of wrong passwords from elsewhere', async () => {
    const { email, password } = await register(node);
    expect((await loginFrom('192.0.2.10', email, password)).status).toBe(200);
    const floods = [
      ['192.0.2.11', 'phone'],
      ['192.0.2.10', 'another program'],
    ] as const;
    for (const [address, userAgent] of floods) {
      for (let count = 0; count < LOGIN_LIMIT; count++)
        await loginFrom(address, email, 'a wrong password', userAgent);
      expect((await loginFrom(address, email, password, userAgent)).status).toBe(429);
    }
    expect((await loginFrom('192.0.2.10', email, password)).status).toBe(200);
  });

  it('lets a known device guess no more often than others', async () => {
    const { email, password } = await register(node);
    await loginFrom('192.0.2.20', email, password);
    const statuses = [];
    for (let count = 0; count <= LOGIN_LIMIT; count++)
      statuses.push((await loginFrom('192.0.2.20', email, 'a wrong password')).status);
    expect(statuses).toEqual([401, 401, 429]);
  });

  it('lets no address try passwords on one account after the other, except from known devices', async () => {
    const { email, password } = await register(node);
    expect((await loginFrom('192.0.2.30', email, password)).status).toBe(200);
    const spray = async (index: number) =>
      (await loginFrom('192.0.2.30', `sprayed-${index}@example.test`, 'Summer in 2026')).status;
    const statuses = await Promise.all(Array.from({ length: FAILURE_LIMIT }, (_, index) => spray(index)));
    expect(new Set(statuses)).toEqual(new Set([401]));
    const refused = await loginFrom('192.0.2.30', email, password, 'another program');
    expect([refused.status, refused.headers.get('ratelimit-policy')]).toEqual([
      429,
      `"failed_logins";q=${FAILURE_LIMIT};w=60`,
    ]);
    expect((await loginFrom('192.0.2.30', email, password)).status).toBe(200);
    expect((await loginFrom('192.0.2.31', email, password)).status).toBe(200);
  });

  it('does not count right passwords from an address for that limit', async () => {
    const accounts = await Promise.all(
      Array.from({ length: FAILURE_LIMIT / LOGIN_LIMIT + 1 }, () => register(node)),
    );
    const answers = accounts.flatMap(({ email, password }) =>
      ['one', 'two'].map((userAgent) => loginFrom('192.0.2.40', email, password, userAgent)),
    );
    expect(new Set((await Promise.all(answers)).map(({ status }) => status))).toEqual(new Set([200]));
    // Those above were admitted before any of them could be counted; this one comes after all of them.
    const { email, password } = await register(node);
    expect((await loginFrom('192.0.2.40', email, password)).status).toBe(200);
  });

  it('refuses a disabled user, and says so only to a client that knows the password', async () => {
    const { email, password } = await register(node);
    await cluster.sql('UPDATE users SET disabled_at = now() WHERE email = $1', [email]);
    expect((await post('/auth/login', { email, password })).body.code).toBe('user_disabled');
    expect((await post('/auth/login', { email, password: 'wrong password' })).body.code).toBe(
      'credentials_invalid',
    );
  });

  it('rotates the refresh token and keeps the session', async () => {
    const user = await aUser(cluster);
    const answer = await refresh<SignIn>(user.refreshToken, strict);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const next = remembered(answer.body);
    expect(next.sessionId).toBe(user.sessionId);
    expect(next.refreshToken).not.toBe(user.refreshToken);
    expect((await me(next.accessToken)).status).toBe(200);
    expect((await refresh(next.refreshToken)).status).toBe(200);
  });

  it('ends the session, its tokens and its sockets on every node when a used refresh token comes again', async () => {
    const user = await aUser(cluster);
    const sockets = await Promise.all([TestSocket.open(node, user), TestSocket.open(strict, user)]);
    const used = remembered((await refresh<SignIn>(user.refreshToken)).body);
    const next = remembered((await refresh<SignIn>(used.refreshToken)).body);
    const reuse = await refresh(user.refreshToken, strict);
    expect(reuse.status).toBe(401);
    expect(reuse.body.code).toBe('refresh_reused');
    for (const socket of sockets) {
      expect((await socket.next('session.revoked')).data).toEqual({ reason: 'refresh_reused' });
      expect(await socket.closes()).toMatchObject({ code: 4410, reason: 'session_revoked' });
    }
    expect((await refresh(next.refreshToken)).status).toBe(401);
    expect((await me(next.accessToken)).body.code).toBe('session_revoked');
  });

  it('refuses refresh tokens that it did not make, and does not touch the session that they name', async () => {
    const user = await aUser(cluster);
    const { refreshToken } = user;
    // In the user's id, in the session's id, and in the random part.
    const altered = [10, 40, 60].map((at) => {
      const changed = refreshToken[at] === 'A' ? 'B' : 'A';
      return `${refreshToken.slice(0, at)}${changed}${refreshToken.slice(at + 1)}`;
    });
    const invented = [
      ...altered,
      refreshToken.slice(0, -1),
      `${refreshToken}A`,
      user.accessToken,
      'rt_',
      'null',
    ];
    for (const token of invented) expect((await refresh(token)).status).toBe(401);
    expect((await me(user.accessToken)).status).toBe(200);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  it('ends tokens, tickets and sockets of a session on every node at logout, and no other session', async () => {
    const user = await aUser(cluster);
    const elsewhere = await signIn(node, user.email, user.password);
    const [here, there, other] = await Promise.all([
      TestSocket.open(node, user),
      TestSocket.open(strict, user),
      TestSocket.open(strict, elsewhere),
    ]);
    const { ticket } = await mintTicket(node, user);
    const start = performance.now();
    await as(user, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    for (const socket of [here, there]) {
      expect((await socket.next('session.revoked')).data).toEqual({ reason: 'logout' });
      expect(await socket.closes()).toEqual({ code: 4410, reason: 'session_revoked' });
    }
    expect(performance.now() - start).toBeLessThan(1000);
    expect((await rawUpgrade(strict, { ticket })).status).toBe(403);
    expect((await me(user.accessToken, strict)).body.code).toBe('session_revoked');
    expect((await refresh(user.refreshToken, strict)).status).toBe(401);
    expect((await as(user, 'POST', `${node.url}/auth/logout`)).status).toBe(401);
    expect((await other.send('ping', {})).type).toBe('pong');
    await other.close();
  });
});

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
