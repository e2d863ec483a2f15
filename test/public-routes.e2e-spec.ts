import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { TEST_ORIGIN } from './support/node.js';
import type { TestNode } from './support/node.js';
import { rawRequest } from './support/raw-upgrade.js';
import { rememberCode } from './support/seen-codes.js';
import { as, aUser } from './support/user.js';
import type { TestUser } from './support/user.js';

const ID = '11111111-1111-4111-8111-111111111111';
const REQUEST_LIMIT = 5;

const PUBLIC: [string, string, number][] = [
  ['POST', '/auth/register', 400],
  ['POST', '/auth/login', 400],
  ['POST', '/auth/refresh', 400],
  ['POST', '/auth/exchange', 400],
  ['GET', '/health', 200],
  ['GET', '/health/live', 200],
  ['GET', '/health/ready', 200],
  ['GET', '/health/full', 200],
  ['GET', '/health/websocket', 200],
  ['GET', '/metrics', 200],
  ['GET', '/ws', 426],
  ['GET', `/ws/conversations/${ID}`, 426],
];

const PROTECTED: [string, string][] = [
  ['POST', '/auth/logout'],
  ['GET', '/auth/me'],
  ['POST', '/websocket/ticket'],
  ['GET', '/websocket/tickets/tkt_AAAAAAAAAAAAAAAAAAAA'],
  ['DELETE', '/websocket/tickets/tkt_AAAAAAAAAAAAAAAAAAAA'],
  ['POST', '/conversations'],
  ['GET', '/conversations'],
  ['GET', `/conversations/${ID}`],
  ['PATCH', `/conversations/${ID}`],
  ['DELETE', `/conversations/${ID}`],
  ['GET', `/conversations/${ID}/messages`],
  ['POST', `/conversations/${ID}/messages`],
  ['GET', `/conversations/${ID}/events`],
  ['POST', `/conversations/${ID}/runs/${ID}/cancel`],
];

describe('a route', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  it.each(PUBLIC)('that is public answers without a token: %s %s with %i', async (method, path, status) => {
    const body = method === 'POST' ? {} : undefined;
    expect((await request(method, node.url + path, { body })).status).toBe(status);
  });

  it.each(PROTECTED)('that is not public answers 401 without a token: %s %s', async (method, path) => {
    const body = method === 'GET' ? undefined : {};
    for (const prefix of ['', '/api/v1/chat']) {
      const { status, headers, body: problem } = await request(method, node.url + prefix + path, { body });
      expect([status, problem.code]).toEqual([401, 'token_missing']);
      expect(headers.get('content-type')).toMatch('application/problem+json');
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  it('is public by its own mark, not by the beginning or the spelling of its address', async () => {
    const variants = [
      '/auth/me/',
      '//auth/me',
      '/auth/../auth/me',
      '/health/../auth/me',
      '/health/%2e%2e/auth/me',
      '/auth%2fme',
      '/AUTH/ME',
      '/auth/me;/health',
      '/auth/me%00',
      '/auth/login/../me',
      '/metrics/../conversations',
      '/ws/../auth/me',
      '/api/v1/chat/../../../auth/me',
    ];
    for (const path of variants) {
      // fetch would normalize the path.
      const answer = await rawRequest(node, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      expect([401, 404, 400]).toContain(answer.status);
      expect(answer.body).not.toContain('"session_id"');
    }
  });

  it.each([
    '/wsx',
    '/nothing',
    '/auth',
    '/healthy',
    '/health/other',
    '/metricsx',
    '/api',
    '/api/v1/chatx/ws',
    '/.env',
  ])('that does not exist gets a 404 with a problem: %s', async (path) => {
    const { status, headers, body } = await request('GET', node.url + path);
    expect(status).toBe(404);
    expect(headers.get('content-type')).toMatch('application/problem+json');
    expect(body).toMatchObject({ code: 'not_found', instance: path, status: 404, retry: 'none' });
  });

  it('reads no token from the address', async () => {
    const path = `/auth/me?token=${user.accessToken}&access_token=${user.accessToken}`;
    const { status, body } = await request('GET', node.url + path);
    expect([status, body.instance]).toEqual([401, '/auth/me']);
  });

  it('takes neither identity nor method from a header', async () => {
    const headers = {
      'x-user-id': user.user.id,
      'x-forwarded-user': user.email,
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-original-url': '/health',
      'x-rewrite-url': '/health',
      'x-http-method-override': 'GET',
      'x-test-mode': 'true',
      'x-e2e-bypass': '1',
    };
    expect((await request('GET', `${node.url}/auth/me`, { headers })).status).toBe(401);
    const posted = await request('POST', `${node.url}/auth/me?_method=GET`, {
      headers,
      token: user.accessToken,
    });
    expect(posted.status).toBe(404);
  });

  it.each<[string, number, string, string, string]>([
    ['invalid JSON', 400, 'validation_failed', 'application/json', '{"email":'],
    ['an empty body', 400, 'validation_failed', 'application/json', ''],
    ['text', 415, 'validation_failed', 'text/plain', '{"email":"a"}'],
    ['a form', 415, 'validation_failed', 'application/x-www-form-urlencoded', 'email=a&password=b'],
    ['a multipart form', 415, 'validation_failed', 'multipart/form-data; boundary=x', '--x--'],
    ['more than the limit', 413, 'payload_too_large', 'application/json', `"${'x'.repeat(300 * 1024)}"`],
    ['a poisoned prototype', 400, 'validation_failed', 'application/json', '{"__proto__":{"admin":true}}'],
    ['a list', 400, 'validation_failed', 'application/json', '[]'],
    ['null', 400, 'validation_failed', 'application/json', 'null'],
  ])('that takes JSON answers %s with %i', async (_what, status, code, type, body) => {
    const answer = await fetch(`${node.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    const problem = (await answer.json()) as Problem;
    rememberCode(problem);
    expect([answer.status, problem.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(problem.detail).not.toMatch(/node_modules|\.js|at /);
  });

  it('answers 400 to requests that are not HTTP, and keeps serving', async () => {
    for (const text of [
      'hello\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /\u0000 HTTP/1.1\r\nHost: a\r\n\r\n',
    ]) {
      const answer = await rawRequest(node, text);
      expect(answer.status).toBe(400);
      expect(answer.headers['content-type']).toMatch('application/problem+json');
    }
    const long = `GET / HTTP/1.1\r\nHost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect((await rawRequest(node, long)).status).toBe(431);
    expect((await request('GET', `${node.url}/health/live`)).status).toBe(200);
  });

  it('may not be framed, sniffed or named in a referrer, and sets no cookie', async () => {
    for (const path of ['/health', '/auth/me', '/nothing', '/metrics', '/ws']) {
      const { headers } = await request('GET', node.url + path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('set-cookie')).toBeNull();
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  it('lets pages of allowed origins read its answers, and repeats no other origin', async () => {
    const allowed = async (origin: string, method = 'GET') =>
      (
        await request(method, `${node.url}/auth/me`, {
          headers: { origin, 'access-control-request-method': 'GET' },
        })
      ).headers;
    for (const method of ['GET', 'OPTIONS']) {
      const headers = await allowed(TEST_ORIGIN, method);
      expect(headers.get('access-control-allow-origin')).toBe(TEST_ORIGIN);
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      for (const origin of ['https://evil.example', 'null', `${TEST_ORIGIN}.evil.example`]) {
        expect((await allowed(origin, method)).get('access-control-allow-origin')).toBeNull();
      }
    }
  });

  it('lets pages of allowed origins send a token, JSON and the name of their client', async () => {
    const { headers } = await request('OPTIONS', `${node.url}/websocket/ticket`, {
      headers: {
        origin: TEST_ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-client-name',
      },
    });
    const allowed = headers.get('access-control-allow-headers')?.split(/, */);
    expect(allowed).toEqual(['authorization', 'content-type', 'x-client-name']);
  });

  it('for the page has a policy that lets it load from and connect to its own server only', async () => {
    const { headers } = await request<string>('GET', `${node.url}/`, { expect: 200 });
    const policy = new Map(
      (headers.get('content-security-policy') ?? '').split('; ').map((directive) => {
        const [name = '', ...sources] = directive.split(' ');
        return [name, sources.join(' ')] as const;
      }),
    );
    for (const nothing of ['default-src', 'object-src', 'base-uri', 'frame-ancestors'])
      expect([nothing, policy.get(nothing)]).toEqual([nothing, "'none'"]);
    for (const own of ['script-src', 'style-src', 'form-action'])
      expect([own, policy.get(own)]).toEqual([own, "'self'"]);
    expect(policy.get('connect-src')).toBe(`'self' ${node.url.replace(/^http/, 'ws')}`);
  });

  it('answers 429 with Retry-After to an address that asks too often, except for health', async () => {
    const strict = await cluster.addNode({
      TRUST_PROXY: '1',
      LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: String(REQUEST_LIMIT),
    });
    const from = (address: string, path = '/auth/me') =>
      as<Problem>(user, 'GET', strict.url + path, { headers: { 'x-forwarded-for': address } });
    for (let count = 0; count < REQUEST_LIMIT; count++) expect((await from('192.0.2.1')).status).toBe(200);
    const { status, headers, body } = await from('192.0.2.1');
    expect([status, body.code, body.retry]).toEqual([429, 'rate_limited', 'after']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(headers.get('ratelimit')).toMatch(/r=0/);
    expect((await from('192.0.2.2')).status).toBe(200);
    expect((await from('192.0.2.1', '/health/live')).status).toBe(200);
    const registrations = [];
    for (let count = 0; count <= REQUEST_LIMIT / 5; count++) {
      registrations.push(
        await request('POST', `${strict.url}/auth/register`, {
          body: { email: `one-of-${count}@example.test`, password: 'a long enough passphrase' },
          headers: { 'x-forwarded-for': '192.0.2.3' },
        }),
      );
    }
    const last = registrations.pop();
    expect(registrations.every((answer) => answer.status === 201)).toBe(true);
    expect([last?.status, last?.headers.get('ratelimit-policy')]).toEqual([
      429,
      `"registrations";q=${REQUEST_LIMIT / 5};w=60`,
    ]);
  });
});
