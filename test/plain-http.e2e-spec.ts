import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedTicket, Me, SignIn } from '../protocol/resources.js';
import { Front } from '../scripts/network/front.js';
import type { NodePool } from '../scripts/network/node-pool.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { RawConnection, rawRequest } from './support/raw-upgrade.js';
import type { RawAnswer } from './support/raw-upgrade.js';
import { rememberSecret } from './support/secrets.js';
import { aUser, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';

const JSON_TYPE = 'Content-Type: application/json';
/** What the JDK's HttpClient and `curl --http2` offer on every request. */
const H2C = [
  'Connection: Upgrade, HTTP2-Settings',
  'Upgrade: h2c',
  'HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA',
];
const WEBSOCKET = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='];

/** A request, header by header. A body gets its Content-Length. */
function http(line: string, headers: string[] = [], body?: string): string {
  const length = body === undefined ? [] : [`Content-Length: ${body.length}`];
  const version = line.endsWith('HTTP/1.0') ? '' : ' HTTP/1.1';
  return [`${line}${version}`, 'Host: localhost', ...headers, ...length, '', body ?? ''].join('\r\n');
}

function chunked(line: string, headers: string[], body: string): string {
  const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`;
  return `${http(line, [...headers, 'Transfer-Encoding: chunked'])}${chunk}0\r\n\r\n`;
}

describe('a request that no browser would write', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;
  let bearer: string;
  let login: string;
  let front: Front;
  let frontPort: number;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    node = cluster.node;
    user = await aUser(cluster);
    bearer = `Authorization: Bearer ${user.accessToken}`;
    login = JSON.stringify({ email: user.email, password: user.password });
    front = new Front({ inTurn: () => [node.port] } as unknown as NodePool);
    frontPort = await front.listen('127.0.0.1', 0);
  });

  afterAll(async () => {
    front?.stopListening();
    await cluster?.stop();
  });

  const ask = (text: string) => rawRequest(node, text);
  const signedIn = ({ status, body }: RawAnswer) => {
    expect(status).toBe(200);
    const { access_token, refresh_token } = JSON.parse(body) as SignIn;
    rememberSecret(access_token);
    rememberSecret(refresh_token);
  };

  /** Each of these on one connection, in one piece or byte by byte. */
  async function exchange(port: number, requests: string[], send: (c: RawConnection, text: string) => void) {
    const connection = await RawConnection.open({ port });
    const answers: RawAnswer[] = [];
    for (const text of requests) {
      send(connection, text);
      const answer = await connection.answer();
      if (answer === undefined) throw new Error(`the connection ended instead of an answer to ${text}`);
      answers.push(answer);
    }
    connection.close();
    return answers;
  }

  describe.each(['a node', 'the front'])('an offer to speak h2c to %s', (where) => {
    const port = () => (where === 'a node' ? node.port : frontPort);
    const whole = (connection: RawConnection, text: string) => connection.write(text);
    const inPieces = (connection: RawConnection, text: string) => {
      const middle = text.length - 20;
      connection.write(text.slice(0, middle));
      setImmediate(() => connection.write(text.slice(middle)));
    };

    it.each([
      ['at once', whole],
      ['in pieces', inPieces],
    ])(
      'is ignored, with and without a body that comes %s, and the connection is kept',
      async (_how, send) => {
        const rounds = [
          http('GET /auth/me', [bearer, ...H2C]),
          http('POST /auth/login', [JSON_TYPE, ...H2C], login),
          chunked('POST /auth/login', [JSON_TYPE, ...H2C], login),
          http('POST /websocket/ticket', [bearer, ...H2C], ''),
          http('GET /auth/me', [bearer]),
          http('POST /auth/login', [JSON_TYPE, 'Expect: 100-continue'], login),
        ];
        const [me, first, second, ticket, plain] = await exchange(port(), rounds.slice(0, 5), send);
        expect((JSON.parse(me?.body ?? '') as Me).user).toEqual(user.user);
        for (const answer of [first, second]) signedIn(answer as RawAnswer);
        expect(ticket?.status).toBe(201);
        rememberSecret((JSON.parse(ticket?.body ?? '') as IssuedTicket).ticket);
        expect(plain?.status).toBe(200);
        for (const answer of [me, first, second, ticket])
          expect(answer?.headers).not.toHaveProperty('upgrade');
      },
    );

    it.each(['TLS/1.0', 'h2c, foo', 'websocket/13', 'foo'])(
      'is ignored like Upgrade: %s',
      async (upgrade) => {
        const offer = ['Connection: Upgrade', `Upgrade: ${upgrade}`];
        const [me, missing, socket] = await exchange(
          port(),
          [
            http('GET /auth/me', [bearer, ...offer]),
            http('GET /nothing', offer),
            http('GET /ws?ticket=x', [...offer, ...WEBSOCKET]),
          ],
          whole,
        );
        expect([me?.status, missing?.status, missing?.problem().code]).toEqual([200, 404, 'not_found']);
        expect([socket?.status, socket?.headers.upgrade]).toEqual([426, 'websocket']);
      },
    );

    it('waits for the answers to earlier requests on the same connection', async () => {
      const connection = await RawConnection.open({ port: port() });
      connection.write(
        http('POST /auth/login', [JSON_TYPE], login) +
          http('GET /auth/me', [bearer]) +
          http('GET /nothing', H2C),
      );
      const statuses = [];
      for (let count = 0; count < 3; count++) statuses.push((await connection.answer())?.status);
      expect(statuses).toEqual([200, 200, 404]);
      connection.close();
    });

    it('does not keep a socket from opening where WebSocket is offered too', async () => {
      for (const offer of ['websocket, h2c', 'h2c, WebSocket', 'WEBSOCKET']) {
        const { ticket } = await mintTicket(node, user);
        const headers = ['Connection: keep-alive, Upgrade', `Upgrade: ${offer}`, ...WEBSOCKET];
        const answer = await rawRequest({ port: port() }, http(`GET /ws?ticket=${ticket}`, headers));
        expect([answer.status, answer.headers.upgrade]).toEqual([101, 'websocket']);
      }
    });

    it('leaves a ticket whole where no socket can open', async () => {
      const { ticket } = await mintTicket(node, user);
      const offer = ['Upgrade: websocket', ...WEBSOCKET];
      const withConnection = ['Connection: Upgrade', ...offer];
      for (const text of [
        http(`GET /ws?ticket=${ticket}`, offer),
        http(`GET /ws?ticket=${ticket} HTTP/1.0`, withConnection),
        http(`GET /ws?ticket=${ticket}`),
      ]) {
        const answer = await rawRequest({ port: port() }, text);
        expect([answer.status, answer.problem().code]).toEqual([426, 'protocol_unsupported']);
        expect(answer.problem().detail).toContain('"Connection: Upgrade", which a proxy has to pass on');
      }
      expect((await rawRequest(node, http(`GET /ws?ticket=${ticket}`, withConnection))).status).toBe(101);
    });
  });

  it('cannot send a body in the place of frames', async () => {
    const { ticket } = await mintTicket(node, user);
    const headers = ['Connection: Upgrade', 'Upgrade: websocket', ...WEBSOCKET];
    for (const text of [
      http(`GET /ws?ticket=${ticket}`, headers, 'hello'),
      chunked(`GET /ws?ticket=${ticket}`, headers, 'hello'),
    ]) {
      const answer = await ask(text);
      expect([answer.status, answer.problem().detail]).toEqual([400, 'a handshake has no body']);
    }
    expect((await ask(http(`GET /ws?ticket=${ticket}`, headers))).status).toBe(101);
  });

  it.each(['http://localhost', 'HTTP://chat.example:8080'])(
    'may name the server in its target: %s',
    async (server) => {
      const target = (path: string) => http(`GET ${server}${path}`, [bearer]);
      expect((await ask(target('/auth/me'))).status).toBe(200);
      expect((await ask(target('/api/v1/chat/auth/me'))).status).toBe(200);
      expect((await ask(target('/nothing?x=1'))).problem().instance).toBe('/nothing');
      const { ticket } = await mintTicket(node, user);
      const headers = ['Connection: Upgrade', 'Upgrade: websocket', ...WEBSOCKET];
      expect((await ask(http(`GET ${server}/api/ws?ticket=${ticket}`, headers))).status).toBe(101);
    },
  );

  it.each([
    ['to know what there is', 'OPTIONS *', [], 204],
    ['to know what one route takes', 'OPTIONS /auth/me', [], 204],
    ['with another expectation than 100-continue', 'GET /auth/me', ['Expect: a-miracle'], 417],
    ['to be a proxy', 'CONNECT chat.example:443', [], 404],
    ['with two hosts', 'GET /health/live', ['Host: other'], 400],
    ['with a method of WebDAV', 'PROPFIND /', [], 404],
    ['for an address that is not UTF-8', 'GET /auth/%FF', [], 400],
    ['for an address that is half encoded', 'GET /conversations/%f', [], 400],
    ['with a parameter that is not UTF-8', 'GET /conversations?cursor=%FF', ['BEARER'], 400],
    ['with a parameter that has NUL', 'GET /conversations?cursor=%00', ['BEARER'], 400],
    ['with a parameter that comes twice', 'GET /conversations?limit=1&limit=2', ['BEARER'], 400],
    ['for an answer in XML', 'GET /auth/me', ['BEARER', 'Accept: text/xml'], 200],
    ['for an answer in nonsense', 'GET /auth/me', ['BEARER', 'Accept: ;;,'], 200],
    ['in HTTP/1.0', 'GET /auth/me HTTP/1.0', ['BEARER'], 200],
    ['with Basic', 'GET /auth/me', ['Authorization: Basic dTpw'], 401],
    ['with Digest', 'GET /auth/me', ['Authorization: Digest username="u"'], 401],
    ['with a token of no scheme', 'GET /auth/me', ['Authorization: a.b.c'], 401],
    ['with an empty Authorization', 'GET /auth/me', ['Authorization: '], 401],
  ])('gets a whole answer when it asks %s', async (_what, line, headers, status) => {
    const fields = headers.map((field) => (field === 'BEARER' ? bearer : field));
    const answer = await ask(http(line, fields));
    expect(answer.status).toBe(status);
    if (status >= 400) expect(answer.problem()).toMatchObject({ status, detail: expect.any(String) });
    if (status === 401) expect(answer.problem().detail).toBe('Missing or invalid Authorization header');
  });

  it('without a host is refused with a problem', async () => {
    const answer = await ask('GET /health/live HTTP/1.1\r\n\r\n');
    expect([answer.status, answer.problem().detail]).toEqual([400, 'expected one Host header']);
  });

  it('with HEAD gets the head of GET', async () => {
    for (const [path, status] of [
      ['/auth/me', 200],
      ['/health/live', 200],
      ['/metrics', 200],
      ['/', 200],
      ['/api/docs', 200],
      ['/ws', 426],
      ['/nothing', 404],
    ] as const) {
      const response = await fetch(node.url + path, {
        method: 'HEAD',
        headers: { authorization: bearer.slice('Authorization: '.length) },
      });
      expect([path, response.status, await response.text()]).toEqual([path, status, '']);
      expect(response.headers.get('content-type')).toMatch(/json|html|plain/);
    }
  });

  it('with a body that its route does not read is answered, and so is the next one', async () => {
    const answers = await exchange(
      node.port,
      [
        http('GET /auth/me', [bearer], 'hello'),
        chunked('GET /auth/me', [bearer, 'Content-Type: text/plain'], 'hello'),
        http('GET /auth/me', [bearer]),
      ],
      (connection, text) => connection.write(text),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  describe('a body', () => {
    it.each([
      ['with charset=utf-8', [`${JSON_TYPE}; charset=utf-8`]],
      ['with its type in capitals', ['Content-Type: APPLICATION/JSON;charset="UTF-8"']],
      ['with Content-Encoding: identity', [JSON_TYPE, 'Content-Encoding: identity']],
      ['with Expect: 100-continue', [JSON_TYPE, 'Expect: 100-Continue']],
    ])('is read %s', async (_what, headers) => {
      const connection = await RawConnection.open(node);
      connection.write(http('POST /auth/login', headers, login));
      let answer = await connection.answer();
      if (answer?.status === 100) answer = await connection.answer();
      signedIn(answer as RawAnswer);
      connection.close();
    });

    it('is read in chunks, and with a byte order mark at its beginning', async () => {
      signedIn(await ask(chunked('POST /auth/login', [JSON_TYPE], login)));
      signedIn(await ask(http('POST /auth/login', [JSON_TYPE], `\xef\xbb\xbf${login}`)));
    });

    it.each([
      ['a form', ['Content-Type: application/x-www-form-urlencoded']],
      ['text', ['Content-Type: text/plain']],
      ['JSON', [JSON_TYPE]],
      ['nothing', []],
    ])('that is empty counts as none, whatever its type says: %s', async (_what, headers) => {
      for (const text of [
        http('POST /websocket/ticket', [bearer, ...headers], ''),
        chunked('POST /websocket/ticket', [bearer, ...headers], ''),
      ]) {
        const answer = await ask(text);
        expect(answer.status).toBe(201);
        rememberSecret((JSON.parse(answer.body) as IssuedTicket).ticket);
      }
    });

    const json = 'expected a body in JSON, with "Content-Type: application/json"';
    it.each([
      ['of no type', [], json],
      ['of a malformed type', ['Content-Type: json'], json],
      ['of another kind of JSON', ['Content-Type: application/problem+json'], json],
      ['of two types', ['Content-Type: application/json, text/plain'], json],
      [
        'in Latin-1, which it says',
        [`${JSON_TYPE}; charset=iso-8859-1`],
        'expected JSON in UTF-8, got another charset',
      ],
      [
        'that is compressed',
        [JSON_TYPE, 'Content-Encoding: gzip'],
        'expected a body without Content-Encoding',
      ],
    ])('%s is refused with 415 in clear words', async (_what, headers, detail) => {
      const answer = await ask(http('POST /auth/login', headers, login));
      expect([answer.status, answer.problem().detail]).toEqual([415, detail]);
    });

    it('for an address that does not exist is not looked at', async () => {
      const answer = await ask(http('POST /nothing', ['Content-Type: text/plain'], 'hello'));
      expect([answer.status, answer.problem().code]).toEqual([404, 'not_found']);
    });
  });
});
