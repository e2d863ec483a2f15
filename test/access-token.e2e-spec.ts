import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Me } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { claimsOf, encode, forge, headerOf, newSigningSecret } from './support/token.js';
import type { Claims } from './support/token.js';
import { aUser, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const secret = newSigningSecret();
const seconds = () => Math.floor(Date.now() / 1000);

describe('an access token', () => {
  let cluster: Cluster;
  let user: TestUser;
  let stranger: TestUser;
  let honest: Claims;
  let header: Claims;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env: { JWT_SECRET: secret } });
    user = await aUser(cluster);
    stranger = await aUser(cluster);
    honest = claimsOf(user.accessToken);
    header = headerOf(user.accessToken);
  });

  afterAll(() => cluster.stop());

  const me = (authorization: string) =>
    request('GET', `${cluster.node.url}/auth/me`, { headers: { authorization } });
  const signed = (claims: Claims, head: Claims = header) =>
    forge({ header: head, payload: { ...honest, ...claims }, secret });
  const without = (...names: string[]) =>
    forge({
      header,
      payload: Object.fromEntries(Object.entries(honest).filter(([n]) => !names.includes(n))),
      secret,
    });

  /** Expects a 401 on an ordinary route and on the route that mints tickets. */
  async function expectRefusal(token: string, codes = ['token_invalid']): Promise<void> {
    const { url } = cluster.node;
    const answers = await Promise.all([
      request('GET', `${url}/auth/me`, { token }),
      request('POST', `${url}/websocket/ticket`, { token, body: {} }),
    ]);
    for (const { status, headers, body } of answers) {
      expect({ status, isExpected: codes.includes(body.code), code: body.code }).toEqual({
        status: 401,
        isExpected: true,
        code: body.code,
      });
      expect(headers.get('content-type')).toMatch('application/problem+json');
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  }

  it('is accepted when the test signs it as the server does, so each forgery below fails only for its own fault', async () => {
    expect((await me(`Bearer ${signed({})}`)).status).toBe(200);
    expect((await me(`bearer ${user.accessToken}`)).status).toBe(200);
    expect((await me(`Bearer ${signed({}, { alg: 'HS256' })}`)).status).toBe(200);
  });

  it.each<[string, () => string]>([
    ['has the algorithm none and no signature', () => `${encode({ alg: 'none' })}.${encode(honest)}.`],
    [
      'spells the algorithm none in mixed case',
      () => `${encode({ alg: 'NoNe', typ: 'JWT' })}.${encode(honest)}.`,
    ],
    ['has lost its signature', () => user.accessToken.replace(/\.[^.]*$/, '.')],
    ['has two parts', () => user.accessToken.replace(/\.[^.]*$/, '')],
    ['has four parts', () => `${user.accessToken}.AAAA`],
    ['looks encrypted', () => 'a.b.c.d.e'],
    ['has a header that is not JSON', () => user.accessToken.replace(/^[^.]*/, 'AAAA')],
    ['has a header that is a list', () => user.accessToken.replace(/^[^.]*/, encode([]))],
    ['is in base64 instead of base64url', () => `${user.accessToken.slice(0, -1)}+`],
  ])('is refused when it %s', (_fault, make) => expectRefusal(make(), ['token_malformed', 'token_invalid']));

  it.each<[string, () => string]>([
    [
      'has the algorithm none and a valid signature',
      () => forge({ header: { alg: 'none', typ: 'JWT' }, payload: honest, secret }),
    ],
    [
      'carries the signature of another payload',
      () => user.accessToken.replace(/\.[^.]*\./, `.${encode({ ...honest, role: 'admin' })}.`),
    ],
    ['is signed with an empty key', () => forge({ header, payload: honest, secret: '' })],
    ['is signed with a weak key', () => forge({ header, payload: honest, secret: 'secret' })],
    ['is signed with another key', () => forge({ header, payload: honest, secret: newSigningSecret() })],
    [
      'uses HS512 with the key of HS256',
      () => forge({ header: { ...header, alg: 'HS512' }, payload: honest, secret, hash: 'sha512' }),
    ],
    [
      'uses HS384 with the key of HS256',
      () => forge({ header: { ...header, alg: 'HS384' }, payload: honest, secret, hash: 'sha384' }),
    ],
    [
      'has the algorithm HS512 and a signature of HS256',
      () => forge({ header: { ...header, alg: 'HS512' }, payload: honest, secret }),
    ],
    ['has the algorithm RS256', () => signed({}, { ...header, alg: 'RS256' })],
    ['names no algorithm', () => signed({}, { typ: 'JWT' })],
    ['names a key that is not there', () => signed({}, { ...header, kid: 'other' })],
    ['names a file as its key', () => signed({}, { ...header, kid: '../../../../dev/null' })],
    ['names the prototype as its key', () => signed({}, { ...header, kid: '__proto__' })],
    ['names a number as its key', () => signed({}, { ...header, kid: 1 })],
    ['is of another type', () => signed({}, { ...header, typ: 'at+jwt' })],
    ['has a type that is a number', () => signed({}, { ...header, typ: 1 })],
    ['has an unknown critical header member', () => signed({}, { ...header, crit: ['exp'] })],
    ['has a payload that is not encoded', () => signed({}, { ...header, crit: ['b64'], b64: false })],
    ['has a payload that is text', () => forge({ header, payload: 'text', secret })],
    ['has a payload that is a list', () => forge({ header, payload: '[1]', secret })],
    ['has no "exp"', () => without('exp')],
    ['has an "exp" that is text', () => signed({ exp: String(honest.exp) })],
    ['has no "iat"', () => without('iat')],
    ['is from tomorrow', () => signed({ iat: seconds() + 86_400, exp: seconds() + 90_000 })],
    ['is from 65 seconds ahead', () => signed({ iat: seconds() + 65 })],
    ['is not valid yet', () => signed({ nbf: seconds() + 65 })],
    ['has an "nbf" that is text', () => signed({ nbf: 'soon' })],
    ['is for another audience', () => signed({ aud: 'other' })],
    ['is for no audience', () => without('aud')],
    ['is by another issuer', () => signed({ iss: 'other' })],
    ['is by no issuer', () => without('iss')],
    ['has no subject', () => without('sub')],
    ['has a subject that is a number', () => signed({ sub: 1 })],
    ['has a subject that is not an id', () => signed({ sub: 'admin', id: 'admin' })],
    ['names two users', () => signed({ id: stranger.user.id })],
    ['names no session', () => without('session_id')],
    ['names something else as its session', () => signed({ session_id: '*' })],
    ['has no e-mail address', () => without('email')],
    ['has a role that nobody has', () => signed({ role: 'root' })],
  ])('is refused when it %s', (_fault, make) => expectRefusal(make()));

  it('is refused 61 seconds after its end and accepted 55 seconds after it, because clocks differ', async () => {
    await expectRefusal(signed({ exp: seconds() - 61 }), ['token_expired']);
    expect((await me(`Bearer ${signed({ exp: seconds() - 55 })}`)).status).toBe(200);
    expect((await me(`Bearer ${signed({ iat: seconds() + 50, nbf: seconds() + 50 })}`)).status).toBe(200);
  });

  it('is refused after its end by a node that has accepted it before', async () => {
    const token = signed({ exp: seconds() - 56 });
    expect((await me(`Bearer ${token}`)).status).toBe(200);
    const refused = await eventually(async () => {
      const answer = await me(`Bearer ${token}`);
      return answer.status !== 200 && answer;
    }, 'the end of a token');
    expect(refused.body.code).toBe('token_expired');
  });

  it('never makes the server fetch a key from an address in the token', async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.end('{"keys":[]}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const jwk = { kty: 'oct', k: Buffer.from('secret').toString('base64url') };
    await expectRefusal(signed({}, { ...header, jku: address }));
    await expectRefusal(signed({}, { ...header, x5u: address }));
    await expectRefusal(forge({ header: { ...header, jwk }, payload: honest, secret: 'secret' }));
    expect(asked).toBe(0);
    server.close();
  });

  it('is refused when it names a session of another user, or one that never existed', async () => {
    const sessions = { session_id: stranger.sessionId };
    await expectRefusal(signed(sessions), ['session_expired', 'session_revoked']);
    await expectRefusal(signed({ session_id: randomUUID() }), ['session_expired', 'session_revoked']);
  });

  it('gives nobody a role that the session does not have', async () => {
    const token = signed({ role: 'admin', email: 'root@example.test' });
    const { body } = await request<Me>('GET', `${cluster.node.url}/auth/me`, { token, expect: 200 });
    expect(body.user).toEqual(user.user);
  });

  it('is refused as soon as its session is ended, on the token’s next use', async () => {
    const brief = await signIn(cluster.node, user.email, user.password);
    await request('POST', `${cluster.node.url}/auth/logout`, { token: brief.accessToken, expect: 204 });
    await expectRefusal(brief.accessToken, ['session_revoked']);
  });

  it('is refused when it is a placeholder that broken clients send, such as "undefined"', async () => {
    for (const placeholder of ['null', 'undefined', 'token_placeholder', '%20', '""', '[object Object]']) {
      await expectRefusal(placeholder, ['token_malformed']);
    }
  });

  it('may have 8 KiB and no more', async () => {
    const padded = (length: number) => {
      const bare = signed({ pad: '' }).length;
      return signed({ pad: 'x'.repeat(Math.floor(((length - bare) * 3) / 4)) });
    };
    const fits = padded(8150);
    const tooLong = padded(8300);
    expect(fits.length).toBeGreaterThan(8100);
    expect(fits.length).toBeLessThanOrEqual(8192);
    expect((await me(`Bearer ${fits}`)).status).toBe(200);
    await expectRefusal(tooLong, ['token_malformed']);
  });

  it('is asked for with the text that clients know when the header is missing or invalid', async () => {
    const { url } = cluster.node;
    const schemes = ['Basic dXNlcjpwYXNz', user.accessToken, 'Bearer', `Token ${user.accessToken}`, ''];
    const answers = await Promise.all([
      request('GET', `${url}/auth/me`),
      ...schemes.map((value) => me(value)),
    ]);
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect(body).toMatchObject({
        code: 'token_missing',
        detail: 'Missing or invalid Authorization header',
        retry: 'none',
      });
    }
  });

  it('is read from the Authorization header only', async () => {
    const { accessToken: token } = user;
    const places: Record<string, string>[] = [
      { 'x-auth-token': token },
      { cookie: `access_token=${token}` },
      { 'x-access-token': token },
      { 'proxy-authorization': `Bearer ${token}` },
      { 'x-user-id': user.user.id, 'x-forwarded-user': user.email },
    ];
    for (const headers of places) {
      expect((await request('GET', `${cluster.node.url}/auth/me`, { headers })).status).toBe(401);
    }
    for (const name of ['token', 'access_token', 'authorization']) {
      expect((await request('GET', `${cluster.node.url}/auth/me?${name}=${token}`)).status).toBe(401);
    }
  });
});

describe('an access token under a key pair', () => {
  it('is refused when it is signed with the public key as if that were a secret', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const env = { JWT_PRIVATE_KEY: privateKey, JWT_PUBLIC_KEYS: JSON.stringify({ k1: publicKey }) };
    const cluster = await startCluster({ nodes: 1, env });
    try {
      const { accessToken } = await aUser(cluster);
      const check = async (token: string) =>
        (await request('GET', `${cluster.node.url}/auth/me`, { token })).status;
      expect(headerOf(accessToken)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' });
      expect(await check(accessToken)).toBe(200);
      for (const key of [publicKey, publicKey.trim(), publicKey.replaceAll('\n', '')]) {
        for (const alg of ['HS256', 'RS256']) {
          const head = { ...headerOf(accessToken), alg };
          expect(await check(forge({ header: head, payload: claimsOf(accessToken), secret: key }))).toBe(401);
        }
      }
    } finally {
      await cluster.stop();
    }
  });
});
