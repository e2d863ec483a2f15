import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isErrorCode, UPGRADE_PUBLIC_CODES } from '../protocol/errors.js';
import type { Me, Receipt } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import { TEST_ORIGIN } from './support/node.js';
import type { TestNode } from './support/node.js';
import { handshake, RawSocket } from './support/raw-socket.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import type { RawAnswer, RawUpgrade } from './support/raw-upgrade.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const UPGRADE_LIMIT = 3;

describe('the upgrade', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;
  const secret = `credential-${randomBytes(8).toString('hex')}`;

  beforeAll(async () => {
    cluster = await startCluster({ env: { WS_MAX_CONNECTIONS_PER_SESSION: '5' } });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  /** Expects a complete HTTP response with a problem that repeats nothing of the request. */
  function expectRefusal(answer: RawAnswer, status: number, code: string): void {
    expect({ status: answer.status, body: answer.body }).toEqual({
      status,
      body: expect.stringContaining(code),
    });
    const problem = answer.problem();
    expect(problem).toEqual({
      type: expect.stringMatching(new RegExp(`/problems/${code}$`)),
      title: expect.any(String),
      status,
      detail: expect.any(String),
      instance: expect.not.stringContaining('?'),
      code,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      retry: expect.any(String),
      retry_after_ms: expect.any(Number),
    });
    expect(isErrorCode(code)).toBe(true);
    expect(answer.headers['content-type']).toMatch('application/problem+json');
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.body)));
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['sec-websocket-protocol']).toBeUndefined();
    expect(JSON.stringify(answer.headers) + answer.body).not.toContain(secret);
  }

  const receiptOf = async (ticketId: string) =>
    (await as<Receipt>(user, 'GET', `${node.url}/websocket/tickets/${ticketId}`, { expect: 200 })).body;
  const without = (name: string): RawUpgrade => ({ handshake: { [name]: undefined } });
  const withHeader = (name: string, value: string): RawUpgrade => ({ headers: { [name]: value } });

  it.each([
    '/wsx',
    '/ws/',
    '/ws/x',
    '/WS',
    '/',
    '/socket.io/',
    '/ws/conversations',
    '/ws/conversations/a/b',
    '/api/wsx',
  ])('answers 404 to a path without sockets: %s', async (path) => {
    const { ticket } = await mintTicket(node, user);
    expectRefusal(await rawUpgrade(node, { path, ticket }), 404, 'not_found');
    expect((await rawUpgrade(node, { ticket })).status).toBe(101);
  });

  it('answers 426 to a request for another protocol, or for none', async () => {
    const other = await rawUpgrade(node, { handshake: { Upgrade: 'h2c' } });
    expectRefusal(other, 426, 'protocol_unsupported');
    expect(other.headers.upgrade).toBe('websocket');
    for (const path of ['/ws', '/api/ws', '/api/v1/chat/ws', '/ws/conversations/x']) {
      const plain = await request('GET', `${node.url}${path}`);
      expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket']);
    }
  });

  it.each<[string, RawUpgrade]>([
    ['no key', without('Sec-WebSocket-Key')],
    ['a key that is too short', { handshake: { 'Sec-WebSocket-Key': 'AAAA' } }],
    ['a key that is not base64', { handshake: { 'Sec-WebSocket-Key': '!'.repeat(22) + '==' } }],
    ['no version', without('Sec-WebSocket-Version')],
    ['an old version', { handshake: { 'Sec-WebSocket-Version': '8' } }],
    ['a future version', { handshake: { 'Sec-WebSocket-Version': '14' } }],
    ['a list of protocols with an empty item', withHeader('Sec-WebSocket-Protocol', 'chat.v1, ,chat.v2')],
    ['a protocol that is not a token', withHeader('Sec-WebSocket-Protocol', 'chat v1')],
    ['the same protocol twice', withHeader('Sec-WebSocket-Protocol', 'chat.v1, chat.v1')],
    ['the method POST', { method: 'POST' }],
    ['the method PUT', { method: 'PUT' }],
  ])('answers 400 to a handshake with %s, and does not consume the ticket', async (_fault, dial) => {
    const { ticket } = await mintTicket(node, user);
    const answer = await rawUpgrade(node, { ...dial, ticket });
    expectRefusal(answer, 400, 'protocol_unsupported');
    expect(answer.headers['sec-websocket-version']).toBe('13');
    expect((await rawUpgrade(node, { ticket })).status).toBe(101);
  });

  it.each<[string, RawUpgrade]>([
    ['two tickets', { path: '/ws?ticket=a' }],
    ['a ticket and a token in the query', { path: `/ws?token=${secret}` }],
    ['a ticket and a session', { path: `/ws?session_token=${secret}` }],
    ['a ticket and an Authorization header', withHeader('Authorization', `Bearer ${secret}`)],
    ['a ticket and a header of the old system', withHeader('x-auth-token', secret)],
    [
      'a ticket and a token among the protocols',
      withHeader('Sec-WebSocket-Protocol', `chat.v1, Bearer.${secret}`),
    ],
  ])('answers 400 to %s, and the ticket opens nothing by it', async (_what, dial) => {
    const { ticket } = await mintTicket(node, user);
    expectRefusal(await rawUpgrade(node, { ...dial, ticket }), 400, 'multiple_credentials');
  });

  it.each<[string, RawUpgrade]>([
    ['the password of a site behind Basic', withHeader('Authorization', 'Basic dXNlcjpwYXNzd29yZA==')],
    ['Digest', withHeader('Authorization', 'Digest username="user"')],
    ['Negotiate', withHeader('Authorization', 'Negotiate YIIGeA==')],
    ['the key of a gateway', withHeader('Authorization', `ApiKey ${secret}`)],
    ['an empty Authorization header', withHeader('Authorization', '')],
    ['cookies of other programs', withHeader('Cookie', `theme=dark; token=${secret}; sid=${secret}`)],
  ])('opens a socket for a ticket beside %s, which is no credential of ours', async (_what, dial) => {
    const { ticket } = await mintTicket(node, user);
    expect((await rawUpgrade(node, { ...dial, ticket })).status).toBe(101);
    expectRefusal(await rawUpgrade(node, dial), 403, 'ticket_rejected');
  });

  it.each<[string, RawUpgrade]>([
    ['nothing at all', {}],
    ['an empty ticket', { ticket: '' }],
    ['an Authorization header', withHeader('Authorization', `Bearer ${secret}`)],
    ['a header of the old system', withHeader('x-auth-token', secret)],
    ['a token among the protocols', withHeader('Sec-WebSocket-Protocol', `chat.v1, Bearer.${secret}`)],
    ['a token alone as the protocol', withHeader('Sec-WebSocket-Protocol', `Bearer.${secret}`)],
    ['a token in the query', { path: `/ws?token=${secret}` }],
    ['a session in the query', { path: `/ws?session_token=${secret}` }],
    ['a cookie', withHeader('Cookie', `access_token=${secret}; session_id=${secret}`)],
    ['a header that tests may have used once', withHeader('x-e2e-test', 'true')],
    ['a ticket with a guessed name', { ticket: 'test-ticket' }],
  ])('answers 403 to %s in place of a ticket', async (_what, dial) => {
    expectRefusal(await rawUpgrade(node, dial), 403, 'ticket_rejected');
  });

  it('answers 403 to real credentials of another kind: there is no second way in', async () => {
    const { accessToken: token, sessionId } = user;
    const ways: RawUpgrade[] = [
      withHeader('Authorization', `Bearer ${token}`),
      withHeader('x-auth-token', token),
      withHeader('Sec-WebSocket-Protocol', `chat.v1, Bearer.${token}`),
      { path: `/ws?token=${token}` },
      { path: `/ws?session_token=${sessionId}` },
      { ...withHeader('Cookie', `access_token=${token}; session_id=${sessionId}`), origin: TEST_ORIGIN },
      { ...withHeader('Cookie', `access_token=${token}`), ticket: randomBytes(32).toString('base64url') },
    ];
    for (const dial of ways) {
      const answer = await rawUpgrade(node, dial);
      expectRefusal(answer, 403, 'ticket_rejected');
      expect(answer.body + JSON.stringify(answer.headers)).not.toContain(token);
    }
  });

  it.each([
    'https://evil.example',
    'null',
    `${TEST_ORIGIN}.evil.example`,
    `${TEST_ORIGIN}0`,
    `${TEST_ORIGIN}/`,
    'https://localhost:5173',
    'http://LOCALHOST:5173',
  ])(
    'answers 403 to the origin %s and burns the ticket beside it, which its receipt shows',
    async (origin) => {
      const { id } = await createConversation(node, user);
      for (const path of ['/ws', `/ws/conversations/${id}`, '/api/v1/chat/ws']) {
        const { ticket, ticket_id } = await mintTicket(node, user);
        expectRefusal(await rawUpgrade(node, { ticket, origin, path }), 403, 'origin_not_allowed');
        const receipt = await receiptOf(ticket_id);
        expect(receipt).toMatchObject({ state: 'rejected', code: 'origin_not_allowed' });
        expectRefusal(await rawUpgrade(node, { ticket, origin: TEST_ORIGIN }), 403, 'ticket_rejected');
      }
    },
  );

  it('answers the same to a refused origin, whatever ticket comes with it', async () => {
    const used = await mintTicket(node, user);
    await rawUpgrade(node, { ticket: used.ticket });
    for (const ticket of [undefined, '', 'x', randomBytes(32).toString('base64url'), used.ticket]) {
      const answer = await rawUpgrade(node, { ticket, origin: 'https://evil.example' });
      expectRefusal(answer, 403, 'origin_not_allowed');
    }
    expect((await receiptOf(used.ticket_id)).state).toBe('consumed');
  });

  it('tells a stranger the same about every ticket that cannot be used', async () => {
    const brief = await aUser(cluster);
    const conversation = await createConversation(node, brief);
    const dead = await mintTicket(node, brief);
    await as(brief, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    const used = await mintTicket(node, user);
    await rawUpgrade(node, { ticket: used.ticket });
    const foreign = await mintTicket(node, user);
    const refusals: RawUpgrade[] = [
      {},
      { ticket: 'x' },
      { ticket: randomBytes(32).toString('base64url') },
      { ticket: used.ticket },
      { ticket: dead.ticket },
      { ticket: foreign.ticket, path: `/ws/conversations/${conversation.id}` },
    ];
    const problems = new Set<string>();
    for (const dial of refusals) {
      const problem = (await rawUpgrade(node, dial)).problem();
      expect(UPGRADE_PUBLIC_CODES).toContain(problem.code);
      problems.add(JSON.stringify({ ...problem, trace_id: '', instance: '' }));
    }
    expect(problems.size).toBe(1);
  });

  it.each<[string, string[] | undefined, string | undefined]>([
    ['nothing for nothing', undefined, undefined],
    ['chat.v1 for chat.v1', ['chat.v1'], 'chat.v1'],
    ['chat.v1 for a list with it', ['chat.v2', 'chat.v1'], 'chat.v1'],
    ['nothing for another', ['graphql-ws'], undefined],
  ])('answers the subprotocol with %s', async (_what, offered, answered) => {
    const { ticket } = await mintTicket(node, user);
    const headers: Record<string, string> = {};
    if (offered !== undefined) headers['Sec-WebSocket-Protocol'] = offered.join(', ');
    const answer = await rawUpgrade(node, { ticket, headers });
    expect([answer.status, answer.headers['sec-websocket-protocol']]).toEqual([101, answered]);
    expect(JSON.stringify(answer.headers)).not.toContain(ticket);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.headers['sec-websocket-extensions']).toBeUndefined();
  });

  it.each(['/api/ws', '/api/v1/chat/ws'])('is the same at the old address %s', async (path) => {
    const socket = await TestSocket.open(node, user, { path });
    expect((await socket.send('ping', {})).type).toBe('pong');
    await socket.close();
    const { id } = await createConversation(node, user);
    const bound = await TestSocket.open(node, user, { path: `${path}/conversations/${id}` });
    expect(bound.all('ready')[0]?.data.conversation_id).toBe(id);
    await bound.close();
  });

  it('is followed by ready as the first frame, which contains all that GET /auth/me returns', async () => {
    const socket = await TestSocket.open(node, user, { client_id: 'tab-1' });
    const me = await as<Me>(user, 'GET', `${node.url}/auth/me`, { expect: 200 });
    expect(socket.frames[0]).toEqual({
      type: 'ready',
      ts: expect.stringMatching(/Z$/),
      data: {
        connection_id: expect.stringMatching(/^con_[\w-]+$/),
        session_id: me.body.session_id,
        client_id: 'tab-1',
        node: node.name,
        protocol: 'chat.v1',
        user: me.body.user,
        auth: { method: 'ticket', expires_at: me.body.expires_at, refresh_after: expect.any(String) },
        heartbeat: { interval_ms: 30_000, timeout_ms: 10_000 },
        limits: { max_frame_bytes: 65_536, frames_per_minute: expect.any(Number) },
        reconnect: { base_ms: expect.any(Number), max_ms: expect.any(Number) },
        responder: { id: 'builtin', label: expect.stringContaining('not a language model') },
        server_time: expect.any(String),
      },
    });
    await socket.close();
  });

  it.each([1, 2])('lets exactly one of 200 simultaneous presentations in, on %i node(s)', async (count) => {
    const { ticket } = await mintTicket(node, user);
    const targets = cluster.nodes.slice(0, count);
    // Redis makes all of them wait and then answers one after the other: no node is done before another has asked.
    await withRedis(cluster, (redis) => redis.client('PAUSE', 200, 'ALL'));
    const dials = Array.from({ length: 200 }, (_, index) =>
      rawUpgrade(targets[index % count] ?? node, { ticket }),
    );
    const answers = await Promise.all(dials);
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(1);
    for (const loser of answers.filter(({ status }) => status !== 101)) {
      expectRefusal(loser, 403, 'ticket_rejected');
    }
  });

  it('survives clients that hang up or reset in the middle of it, and counts none of them', async () => {
    const tickets = await Promise.all(Array.from({ length: 100 }, () => mintTicket(node, user)));
    await Promise.all(tickets.map(({ ticket }, index) => goneAfterHandshake(node, ticket, index % 8)));
    await eventually(async () => (await metric(node, 'chat_ws_connections')) === 0, 'the gauge to be 0');
    const socket = await eventually(
      () => TestSocket.open(node, user).catch(() => undefined),
      'room for an honest socket',
    );
    expect((await socket.send('ping', {})).type).toBe('pong');
    await socket.close();
  });

  it('answers 429 with Retry-After to an address that dials too often, and to no other', async () => {
    const limited = await cluster.addNode({
      TRUST_PROXY: '1',
      LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: String(UPGRADE_LIMIT),
    });
    const from = (address: string) => rawUpgrade(limited, withHeader('X-Forwarded-For', address));
    for (let count = 0; count < UPGRADE_LIMIT; count++) expect((await from('192.0.2.1')).status).toBe(403);
    const { ticket, ticket_id } = await mintTicket(limited, user);
    for (let count = 0; count < 2; count++) {
      const answer = await rawUpgrade(limited, { ...withHeader('X-Forwarded-For', '192.0.2.1'), ticket });
      expectRefusal(answer, 429, 'rate_limited');
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect((await receiptOf(ticket_id)).state).toBe('pending');
    }
    expect(
      (await rawUpgrade(limited, { ...withHeader('X-Forwarded-For', '192.0.2.3'), ticket })).status,
    ).toBe(101);
    expect((await from('192.0.2.2')).status).toBe(403);
    // A fault in the request itself is reported before that.
    const twice = { path: '/ws?ticket=a&ticket=b', headers: { 'X-Forwarded-For': '192.0.2.1' } };
    expectRefusal(await rawUpgrade(limited, twice), 400, 'multiple_credentials');
  });

  it('refuses the origin before it looks at any credential', async () => {
    const dial = { path: `/ws?token=${secret}`, origin: 'https://evil.example' };
    expectRefusal(await rawUpgrade(node, dial), 403, 'origin_not_allowed');
  });

  it('answers 503 with Retry-After while the node drains, and the node exits with code 0', async () => {
    const leaving = await cluster.addNode();
    // It does not answer the close, so that the node waits for it.
    const { ticket } = await mintTicket(leaving, user);
    const silent = await RawSocket.open(leaving, { ticket });
    leaving.signal('SIGTERM');
    const answer = await eventually(async () => {
      const probe = await rawUpgrade(leaving);
      return probe.status === 503 && probe;
    }, 'a node that drains');
    expectRefusal(answer, 503, 'draining');
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    silent.destroy();
    expect(await leaving.exited).toMatchObject({ code: 0 });
  });
});

/** Resets the connection (odd `turns`) or hangs up after the handshake was written, that many turns later. */
async function goneAfterHandshake(node: TestNode, ticket: string, turns: number): Promise<void> {
  const socket = connect(node.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  const leave = () => (turns % 2 === 1 ? socket.resetAndDestroy() : socket.end());
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.once('connect', () => {
      socket.write(handshake(node.port, { ticket }), () => later(turns, leave));
    });
  });
}

function later(turns: number, then: () => void): void {
  if (turns === 0) then();
  else setImmediate(() => later(turns - 1, then));
}
