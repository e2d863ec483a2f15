import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Me, SignIn } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { variable, WAYS } from './support/legacy-ways.js';
import { metric } from './support/metrics.js';
import { TEST_ORIGIN } from './support/node.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import type { RawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { forge, newSigningSecret } from './support/token.js';
import { as, aUser, createConversation, mintTicket, remembered } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const ALL_FLAGS = Object.fromEntries(
  [...WAYS.map(({ flag }) => flag)].map((flag) => [variable(flag), 'true']),
);

describe('old credentials', () => {
  const secret = newSigningSecret();
  let cluster: Cluster;
  /** All flags have their defaults. */
  let closed: TestNode;
  /** Every old way is open. */
  let open: TestNode;
  /** Every old way is open, but every user must use tickets. */
  let strict: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      env: { JWT_SECRET: secret, JWT_ISSUER: 'issuer', JWT_AUDIENCE: 'audience' },
    });
    closed = cluster.node;
    open = await cluster.addNode({ ...ALL_FLAGS, FLAG_LEGACY_TOKEN_FORMATS: 'true' });
    strict = await cluster.addNode({ ...ALL_FLAGS, FLAG_TICKET_REQUIRED: 'true' });
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  /** Opens a socket as a library does, and returns it with its `ready`. */
  async function connect(node: TestNode, { path, origin, headers = {} }: RawUpgrade) {
    const { 'Sec-WebSocket-Protocol': offered, ...others } = headers;
    const protocols = offered?.split(', ');
    const socket = await TestSocket.connect(node, { path, origin, headers: others, protocols });
    return { socket, ready: await socket.next('ready') };
  }

  it.each(WAYS)('$name opens nothing while its flag is off', async ({ dial }) => {
    const answer = await rawUpgrade(closed, dial(user));
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
    expect(answer.headers).not.toHaveProperty('deprecation');
  });

  it.each(WAYS)('$name opens a socket of its user while its flag is on', async ({ dial, method }) => {
    const before = await metric(open, 'chat_legacy_auth_total', { method, client: 'other' });
    const { socket, ready } = await connect(open, dial(user));
    expect(ready.data).toMatchObject({ user: user.user, session_id: user.sessionId, auth: { method } });
    expect((await socket.send('ping', { t: 1 })).type).toBe('pong');
    await socket.close();
    expect(await metric(open, 'chat_legacy_auth_total', { method, client: 'other' })).toBe(before + 1);
  });

  it.each(WAYS)('$name gets the date when it ends, and is not repeated in the response', async ({ dial }) => {
    const answer = await rawUpgrade(open, dial(user));
    expect(answer.status).toBe(101);
    expect(answer.headers.deprecation).toMatch(/^@\d{10}$/);
    expect(Date.parse(answer.headers.sunset ?? '')).toBeGreaterThan(Date.UTC(2027, 0));
    expect([undefined, 'chat.v1']).toContain(answer.headers['sec-websocket-protocol']);
    expect(JSON.stringify(answer.headers)).not.toContain(user.accessToken);
  });

  it.each(WAYS)('$name opens nothing for a user of whom tickets are required', async ({ dial }) => {
    const answer = await rawUpgrade(strict, dial(user));
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
  });

  it.each(WAYS)('$name opens nothing after its session has ended', async ({ dial }) => {
    const left = await aUser(cluster);
    const { socket } = await connect(open, dial(left));
    await as(left, 'POST', `${closed.url}/auth/logout`, { expect: 204 });
    expect((await socket.closes()).code).toBe(4410);
    expect((await rawUpgrade(open, dial(left))).status).toBe(403);
  });

  it('a ticket opens a socket as before, and is not marked as deprecated', async () => {
    const { ticket } = await mintTicket(strict, user);
    const answer = await rawUpgrade(strict, {
      ticket,
      headers: { Cookie: `access_token=${user.accessToken}` },
    });
    expect(answer.status).toBe(101);
    expect(answer.headers).not.toHaveProperty('deprecation');
  });

  it('a ticket beside the password of a site behind Basic opens its socket all the same', async () => {
    for (const Authorization of ['Basic dXNlcjpwYXNzd29yZA==', 'Negotiate YIIGeA==', user.accessToken]) {
      const headers = { Authorization };
      const { ticket } = await mintTicket(open, user);
      const answer = await rawUpgrade(open, { ticket, headers });
      expect([answer.status, answer.headers.deprecation]).toEqual([101, undefined]);
      const token = await rawUpgrade(open, { path: `/ws?token=${user.accessToken}`, headers });
      expect(token.status).toBe(101);
    }
  });

  it('answers 400 to two credentials, and consumes neither', async () => {
    const { ticket } = await mintTicket(open, user);
    const explicit = WAYS.filter(({ dial }) => dial(user).headers?.Cookie === undefined);
    for (const { dial } of explicit) {
      const answer = await rawUpgrade(open, { ...dial(user), ticket });
      expect([answer.status, answer.problem().code]).toEqual([400, 'multiple_credentials']);
    }
    const both = {
      path: `/ws?token=${user.accessToken}`,
      headers: { Authorization: `Bearer ${user.accessToken}` },
    };
    expect((await rawUpgrade(open, both)).status).toBe(400);
    const cookies = `access_token=${user.accessToken}; session_id=${user.sessionId}`;
    const twoCookies = await rawUpgrade(open, { origin: TEST_ORIGIN, headers: { Cookie: cookies } });
    expect(twoCookies.status).toBe(400);
    expect((await rawUpgrade(open, { ticket })).status).toBe(101);
  });

  it('tries nothing else when a credential is bad', async () => {
    const headers = { Cookie: `access_token=${user.accessToken}` };
    for (const path of [
      '/ws?ticket=bad',
      '/ws?token=bad',
      `/ws?session_token=${randomUUID()}`,
      '/ws?session_token=1',
    ])
      expect((await rawUpgrade(open, { path, origin: TEST_ORIGIN, headers })).status).toBe(403);
  });

  it('takes a cookie only from a page of an allowed origin', async () => {
    const headers = { Cookie: `access_token=${user.accessToken}` };
    for (const origin of [undefined, 'https://evil.example']) {
      const answer = await rawUpgrade(open, { origin, headers });
      expect([answer.status, answer.problem().code]).toEqual([403, 'origin_not_allowed']);
    }
  });

  it('opens only conversations of the user', async () => {
    const mine = await createConversation(closed, user);
    const other = await createConversation(closed, await aUser(cluster));
    const query = `token=${user.accessToken}`;
    const { socket, ready } = await connect(open, { path: `/ws/conversations/${mine.id}?${query}` });
    expect(ready.data.conversation_id).toBe(mine.id);
    await socket.close();
    expect((await rawUpgrade(open, { path: `/ws/conversations/${other.id}?${query}` })).status).toBe(403);
  });

  it('counts uses by a closed list of clients', async () => {
    const path = `/ws?token=${user.accessToken}`;
    const calls: [Record<string, string>, string][] = [
      [{ 'User-Agent': 'Mozilla/5.0 (X11)' }, 'browser'],
      [{ 'User-Agent': 'Python/3.12 websockets/14.1' }, 'python'],
      [{ 'User-Agent': 'Go-http-client/1.1' }, 'go'],
      [{ 'User-Agent': 'a-stranger/1' }, 'other'],
      [{ 'User-Agent': 'curl/8', 'X-Client-Name': 'android' }, 'android'],
      [{ 'User-Agent': 'curl/8', 'X-Client-Name': 'a-stranger' }, 'curl'],
    ];
    for (const [headers, client] of calls) {
      const labels = { method: 'query_token', client };
      const before = await metric(open, 'chat_legacy_auth_total', labels);
      expect((await rawUpgrade(open, { path, headers })).status).toBe(101);
      expect(await metric(open, 'chat_legacy_auth_total', labels)).toBe(before + 1);
    }
  });

  describe('tokens of the old formats', () => {
    const now = () => Math.floor(Date.now() / 1000);
    const bare = (of: TestUser) => ({ sub: of.user.id, exp: now() + 600, iat: now() - 60 });
    const withEmail = (of: TestUser) => ({
      sub: 'provider|17',
      email: of.email,
      aud: 'audience',
      iss: 'issuer',
      exp: now() + 600,
    });
    const exchange = (node: TestNode, token: string) =>
      request<SignIn>('POST', `${node.url}/auth/exchange`, { body: { token } });
    const codeOf = async (node: TestNode, token: string) => {
      const { status, body } = await exchange(node, token);
      return [status, (body as unknown as { code: string }).code];
    };

    it.each([
      ['{sub, exp, iat}', bare],
      ['{sub, email, aud, iss, exp}', withEmail],
    ])('%s is exchanged for a session', async (_name, claims) => {
      const owner = await aUser(cluster);
      const answer = await exchange(open, forge({ payload: claims(owner), secret }));
      expect(answer.status).toBe(200);
      expect(answer.headers.get('deprecation')).toMatch(/^@\d{10}$/);
      expect(answer.headers.get('sunset')).toMatch(/GMT$/);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      const signedIn = remembered(answer.body);
      const me = await as<Me>(signedIn, 'GET', `${closed.url}/auth/me`, { expect: 200 });
      expect(me.body.user).toEqual(owner.user);
      expect(me.body.session_id).not.toBe(owner.sessionId);
      expect((await rawUpgrade(closed, await mintTicket(closed, signedIn))).status).toBe(101);
    });

    it.each([
      ['{sub, exp, iat}', bare],
      ['{sub, email, aud, iss, exp}', withEmail],
    ])('%s opens sockets of one session until that ends', async (_name, claims) => {
      const owner = await aUser(cluster);
      const token = forge({ payload: claims(owner), secret });
      const first = await connect(open, { path: `/ws?token=${token}` });
      const second = await connect(open, { path: `/ws?token=${token}` });
      expect(first.ready.data.user).toEqual(owner.user);
      expect(second.ready.data.session_id).toBe(first.ready.data.session_id);
      const url = `${closed.url}/auth/sessions/${first.ready.data.session_id}`;
      await as(owner, 'DELETE', url, { expect: 204 });
      expect((await first.socket.closes()).code).toBe(4410);
      expect((await rawUpgrade(open, { path: `/ws?token=${token}` })).status).toBe(403);
      expect(await codeOf(open, token)).toEqual([401, 'session_revoked']);
    });

    it('are refused while their flag is off', async () => {
      const token = forge({ payload: bare(user), secret });
      expect(await codeOf(closed, token)).toEqual([403, 'auth_method_disabled']);
      expect((await rawUpgrade(strict, { path: `/ws?token=${token}` })).status).toBe(403);
    });

    it('are refused over HTTP, where only the access tokens of a session are accepted', async () => {
      const token = forge({ payload: bare(user), secret });
      const answer = await request('GET', `${open.url}/auth/me`, { token });
      expect([answer.status, answer.body.code]).toEqual([401, 'token_invalid']);
    });

    it.each<[string, (owner: TestUser) => string, number, string]>([
      [
        'of another key',
        (of) => forge({ payload: bare(of), secret: newSigningSecret() }),
        401,
        'token_invalid',
      ],
      [
        'without a signature',
        (of) => forge({ header: { alg: 'none' }, payload: bare(of), secret }),
        401,
        'token_invalid',
      ],
      [
        'that has expired',
        (of) => forge({ payload: { ...bare(of), exp: now() - 61 }, secret }),
        401,
        'token_expired',
      ],
      [
        'of an unknown user',
        (of) => forge({ payload: { ...bare(of), sub: randomUUID() }, secret }),
        401,
        'token_invalid',
      ],
      [
        'of another issuer',
        (of) => forge({ payload: { ...withEmail(of), iss: 'x' }, secret }),
        401,
        'token_invalid',
      ],
      [
        'for another audience',
        (of) => forge({ payload: { ...withEmail(of), aud: 'x' }, secret }),
        401,
        'token_invalid',
      ],
      [
        'with more claims',
        (of) => forge({ payload: { ...bare(of), role: 'admin' }, secret }),
        401,
        'token_invalid',
      ],
      [
        'that names two users',
        (of) => forge({ payload: { ...withEmail(of), sub: randomUUID() }, secret }),
        401,
        'token_invalid',
      ],
      ['that is not a token', () => 'null', 401, 'token_malformed'],
    ])('a token %s is refused', async (_name, tokenOf, status, code) => {
      expect(await codeOf(open, tokenOf(user))).toEqual([status, code]);
    });

    it('an access token of ours is not exchanged', async () => {
      expect(await codeOf(open, user.accessToken)).toEqual([401, 'token_invalid']);
    });

    it('a disabled user gets no session', async () => {
      const owner = await aUser(cluster);
      await cluster.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [owner.user.id]);
      expect(await codeOf(open, forge({ payload: bare(owner), secret }))).toEqual([403, 'user_disabled']);
    });
  });

  it('names the reason of a refusal in the log and in the metric', async () => {
    const labels = { path: 'upgrade', outcome: 'refused', reason: 'auth_method_disabled' };
    const before = await metric(closed, 'chat_auth_attempts_total', labels);
    await rawUpgrade(closed, { path: `/ws?token=${user.accessToken}` });
    expect(await metric(closed, 'chat_auth_attempts_total', labels)).toBe(before + 1);
    const logged = () =>
      closed.logged('auth.refused').some(({ reason }) => reason === 'auth_method_disabled');
    await eventually(logged, 'the line in the log');
  });
});
