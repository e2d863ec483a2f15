import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Conversation, IssuedTicket, SignIn } from '../protocol/resources.js';
import { BROWSER_PAGES } from '../src/api-docs/browser-pages.js';
import { OPERATIONS } from '../src/api-docs/openapi.js';
import { type Cluster, startCluster } from './support/cluster.js';
import {
  type AsyncApi,
  DocumentCheck,
  faultsOf,
  type OpenApi,
  type OperationObject,
} from './support/document-check.js';
import { request } from './support/http.js';
import { realRoutes } from './support/real-routes.js';
import { rememberSecret } from './support/secrets.js';
import { TestSocket } from './support/socket.js';
import { anAdmin, as, createConversation, remembered, type TestUser } from './support/user.js';

const SOME_ID = '7d1f3c52-8a40-4f0e-9a57-0d4a6a0f0a11';

let cluster: Cluster;
let user: TestUser;
let openApi: OpenApi;
let asyncApi: AsyncApi;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 });
  // An administrator, who may call every route.
  user = await anAdmin(cluster);
  openApi = (await request<OpenApi>('GET', `${cluster.node.url}/api/openapi.json`, { expect: 200 })).body;
  asyncApi = (await request<AsyncApi>('GET', `${cluster.node.url}/api/asyncapi.json`, { expect: 200 })).body;
});
afterAll(() => cluster?.stop());

interface Route {
  method: string;
  path: string;
  operation: OperationObject;
}

function documentedRoutes(): Route[] {
  return Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
}

function addressOf(path: string): string {
  return cluster.node.url + path.replace('{ticket_id}', 'tkt_none').replace(/\{\w+\}/g, SOME_ID);
}

describe('/api/openapi.json', () => {
  test('is a valid OpenAPI 3.1 document', async () => {
    expect(openApi.openapi).toBe('3.1.0');
    expect(await faultsOf(openApi)).toEqual([]);
  });

  test('describes every route of the server, and no other', async () => {
    const files = BROWSER_PAGES.flatMap(({ path, files }) =>
      Object.keys(files).map((name) => `GET ${path}/${name}`),
    );
    const routes = (await realRoutes()).filter(
      (route) => !/^(HEAD|OPTIONS) /.test(route) && !files.includes(route),
    );
    expect(routes.length).toBeGreaterThan(20);
    expect(Object.keys(OPERATIONS).sort()).toEqual([...routes].sort());
    expect(
      documentedRoutes()
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual(routes.sort());
  });

  test('says for every route who may call it, whether it is limited, and how it refuses strangers', async () => {
    const check = new DocumentCheck(openApi);
    for (const { method, path, operation } of documentedRoutes()) {
      const { status, headers, body } = await request(method, addressOf(path));
      const isPublic = operation.security.length === 0;
      expect([method, path, status === 401]).toEqual([method, path, !isPublic]);
      const response = operation.responses[status] ?? {};
      const isCounted = response.headers?.RateLimit !== undefined;
      expect([method, path, headers.has('ratelimit')]).toEqual([method, path, isCounted]);
      if (status < 400) continue;
      const place = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content'];
      const faults = check.faults([...place, 'application/problem+json', 'schema'], body);
      expect([method, path, faults]).toEqual([method, path, []]);
    }
  });

  test('describes the real responses', async () => {
    const check = new DocumentCheck(openApi);
    const seen: string[] = [];
    const call = async <Body>(
      method: string,
      address: string,
      expected: number,
      body?: unknown,
    ): Promise<Body> => {
      const options = { token: user.accessToken, body, expect: expected };
      const answer = await request<Body>(method, cluster.node.url + address, options);
      const path = address
        .replace(/tkt_[\w-]+/, '{ticket_id}')
        .replace(/[0-9a-f-]{36}/, '{id}')
        .replace(/flags\/\w+/, 'flags/{name}');
      const place = ['paths', path, method.toLowerCase(), 'responses', String(expected)];
      const schema = [...place, 'content', 'application/json', 'schema'];
      if (expected !== 204) expect([path, check.faults(schema, answer.body)]).toEqual([path, []]);
      seen.push(`${method} ${path}`);
      return answer.body;
    };
    const account = { email: 'documented@example.test', password: user.password };
    await call('POST', '/auth/register', 201, account);
    const signedIn = await call<SignIn>('POST', '/auth/login', 200, account);
    const { refreshToken } = remembered(signedIn);
    remembered(await call<SignIn>('POST', '/auth/refresh', 200, { refresh_token: refreshToken }));
    await call('GET', '/auth/me', 200);
    const { ticket, ticket_id } = await call<IssuedTicket>('POST', '/websocket/ticket', 201);
    rememberSecret(ticket);
    await call('GET', `/websocket/tickets/${ticket_id}`, 200);
    await call('DELETE', `/websocket/tickets/${ticket_id}`, 204);
    await call('GET', `/websocket/tickets/${ticket_id}`, 200);
    const { id } = await call<Conversation>('POST', '/conversations', 201, { title: 'Documented' });
    const message = { client_message_id: 'documented-1', content: 'What is a ticket?' };
    await call('POST', `/conversations/${id}/messages`, 202, message);
    await call('GET', '/conversations', 200);
    await call('GET', `/conversations/${id}`, 200);
    await call('PATCH', `/conversations/${id}`, 200, { title: 'Renamed' });
    await call('GET', `/conversations/${id}/messages`, 200);
    await call('GET', `/conversations/${id}/events`, 200);
    await call('DELETE', `/conversations/${id}`, 204);
    await call('GET', '/auth/sessions', 200);
    await call('GET', '/admin/connections', 200);
    await call('PATCH', `/admin/users/${signedIn.user.id}`, 200, { role: 'admin' });
    await call('GET', '/admin/flags', 200);
    await call('PUT', '/admin/flags/ticket_required', 200, { enabled: true, percent: 5 });
    for (const path of ['audit', 'auth/paths', 'auth/legacy-usage']) await call('GET', `/admin/${path}`, 200);
    for (const path of ['', '/live', '/ready', '/full', '/websocket'])
      await call('GET', `/health${path}`, 200);
    const described = documentedRoutes().filter(({ path, operation: { responses } }) => {
      // Returns this only while its flag is on, and no other test may depend on the old ways.
      if (path === '/auth/exchange') return false;
      const answers = [responses[200], responses[201], responses[202]];
      return !path.startsWith('/api/') && answers.some((answer) => answer?.content?.['application/json']);
    });
    for (const { method, path } of described) expect(seen).toContain(`${method} ${path}`);
  });

  test('gives the range of `limit` that each list accepts', async () => {
    const { id } = await createConversation(cluster.node, user);
    const statusOf = async (path: string, limit: number) =>
      (await as(user, 'GET', `${cluster.node.url}${path.replace('{id}', id)}?limit=${limit}`)).status;
    const ranges = documentedRoutes().flatMap(({ path, operation: { parameters = [] } }) =>
      parameters.filter(({ name }) => name === 'limit').map(({ schema }) => ({ path, ...schema })),
    );
    expect(ranges.length).toBeGreaterThanOrEqual(3);
    for (const { path, minimum, maximum } of ranges) {
      expect([path, await statusOf(path, maximum), await statusOf(path, maximum + 1)]).toEqual([
        path,
        200,
        400,
      ]);
      expect([path, await statusOf(path, minimum), await statusOf(path, minimum - 1)]).toEqual([
        path,
        200,
        400,
      ]);
    }
  });
});

describe('/api/asyncapi.json', () => {
  const page = readFileSync(join(import.meta.dirname, '..', 'protocol', 'PROTOCOL.md'), 'utf8');
  const typesIn = (title: string) => {
    const [, rest = ''] = page.split(title);
    return [...(rest.split('\n#')[0] ?? '').matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1] ?? '');
  };
  const named = (side: string) =>
    Object.entries(asyncApi.components.messages)
      .filter(([name]) => name.startsWith(side))
      .map(([, { name }]) => name);

  test('is a valid AsyncAPI 3.0 document', async () => {
    expect(asyncApi.asyncapi).toBe('3.0.0');
    expect(await faultsOf(asyncApi)).toEqual([]);
  });

  test('has the two sockets and every frame of PROTOCOL.md', () => {
    expect(Object.values(asyncApi.channels).map(({ address }) => address)).toEqual([
      '/ws',
      '/ws/conversations/{conversation_id}',
    ]);
    expect(named('client').sort()).toEqual(typesIn('### 4.1 Frames from the client').sort());
    expect(named('server').sort()).toEqual(typesIn('### 4.2 Frames from the server').sort());
  });

  test('describes the real frames', async () => {
    const check = new DocumentCheck(asyncApi);
    const socket = await TestSocket.open(cluster.node, user);
    const { id } = await createConversation(cluster.node, user);
    await socket.send('ping', { t: 1 });
    await socket.send('message.send', {
      conversation_id: id,
      client_message_id: 'm-1',
      content: 'What time is it?',
    });
    await socket.next('run.completed');
    await socket.send('run.cancel', { run_id: SOME_ID });
    await socket.close();
    const types = new Set(socket.frames.map(({ type }) => type));
    expect([...types]).toEqual(
      expect.arrayContaining(['ready', 'pong', 'message.accepted', 'message.delta', 'error']),
    );
    for (const frame of socket.frames)
      expect([frame.type, check.faults(payloadOf(frame.type), frame)]).toEqual([frame.type, []]);
  });

  function payloadOf(type: string): string[] {
    const messages = Object.entries(asyncApi.components.messages);
    const [name = ''] =
      messages.find(([key, message]) => key.startsWith('server') && message.name === type) ?? [];
    return ['components', 'messages', name, 'payload'];
  }
});

describe.each(BROWSER_PAGES)('$path', ({ path }) => {
  test('is a page that loads nothing from other origins', async () => {
    const { headers, body: html } = await request<string>('GET', cluster.node.url + path, { expect: 200 });
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; connect-src 'self';/);
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
    const scripts = [...html.matchAll(/<script([^>]*)>([^<]*)</g)];
    expect(scripts.filter(([, attributes, text]) => text !== '' || !attributes?.includes('src='))).toEqual(
      [],
    );
    const loaded = [...html.matchAll(/ (?:src|href)="(?!data:)([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(loaded.length).toBeGreaterThanOrEqual(2);
    for (const address of loaded) {
      const file = await request<string>('GET', new URL(address, cluster.node.url + path).href, {
        expect: 200,
      });
      expect(file.headers.get('content-type')).toMatch(
        address.endsWith('.css') ? /^text\/css/ : /^text\/javascript/,
      );
      expect(file.body.length).toBeGreaterThan(50);
    }
  });
});

test('/api/v1/docs leads to /api/docs', async () => {
  const { status, headers } = await request('GET', `${cluster.node.url}/api/v1/docs`);
  expect([status, headers.get('location')]).toEqual([308, '/api/docs']);
});
