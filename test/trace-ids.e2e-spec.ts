import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import { breakConversations, mendConversations } from './support/broken-conversations.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { TEST_ORIGIN } from './support/node.js';
import type { TestNode } from './support/node.js';
import { RawSocket } from './support/raw-socket.js';
import { rawRequest, rawUpgrade } from './support/raw-upgrade.js';
import type { RawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const FLOOD = 200;
const UNKNOWN_TICKET = 'A'.repeat(43);

describe('the trace id', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    const env = { TRUST_PROXY: '1', FLAG_LEGACY_FIRST_MESSAGE: 'true' };
    cluster = await startCluster({ nodes: 1, env });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  const linesOf = (traceId: string, on = node) =>
    on
      .logs()
      .split('\n')
      .filter((line) => line.includes(`"trace_id":"${traceId}"`));

  /** Expects a log line with the trace id of a problem, which names the reason. */
  async function expectLogged({ trace_id: traceId }: Problem, reason: string, on = node): Promise<void> {
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    const line = await eventually(() => linesOf(traceId, on)[0], `a line of ${reason}`);
    expect(JSON.parse(line)).toMatchObject({ reason });
  }

  it.each<[string, number, string, () => Promise<{ status: number; body: Problem }>]>([
    ['no token', 401, 'token_missing', () => request('GET', `${node.url}/auth/me`)],
    ['a bad token', 401, 'token_malformed', () => request('GET', `${node.url}/auth/me`, { token: 'null' })],
    [
      'a wrong password',
      401,
      'credentials_invalid',
      () => post('/auth/login', { email: 'a@b.test', password: 'x' }),
    ],
    ['a bad refresh token', 401, 'token_invalid', () => post('/auth/refresh', { refresh_token: 'x' })],
    ['a bad body', 400, 'validation_failed', () => post('/auth/login', {})],
    ['an unknown route', 404, 'not_found', () => request('GET', `${node.url}/nothing`)],
    ['a missing file', 404, 'not_found', () => request('GET', `${node.url}/assets/nothing.js`)],
    ['a malformed address', 400, 'validation_failed', () => request('GET', `${node.url}/%zz`)],
    [
      'somebody else’s conversation',
      404,
      'conversation_not_found',
      () => get(`/conversations/${randomUUID()}`),
    ],
    ['an administrator’s route', 403, 'forbidden', () => get('/admin/connections')],
    ['an unknown ticket', 404, 'not_found', () => get(`/websocket/tickets/tkt_${UNKNOWN_TICKET}`)],
    ['a socket without an upgrade', 426, 'protocol_unsupported', () => request('GET', `${node.url}/ws`)],
    [
      'an old token while its flag is off',
      403,
      'auth_method_disabled',
      () => post('/auth/exchange', { token: 'x' }),
    ],
    ['a body of 300 KB', 413, 'payload_too_large', () => post('/auth/login', { email: 'x'.repeat(300_000) })],
  ])('of an HTTP response to %s is in the log', async (_what, status, code, call) => {
    const answer = await call();
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    await expectLogged(answer.body, code);
  });

  const post = (path: string, body: unknown) => request<Problem>('POST', node.url + path, { body });
  const get = (path: string) => as<Problem>(user, 'GET', node.url + path);

  it('of a response to a request that is not HTTP is in the log', async () => {
    const texts: [number, string][] = [
      [400, 'NONSENSE\r\n\r\n'],
      [431, `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
    ];
    for (const [status, text] of texts) {
      const answer = await rawRequest(node, text);
      expect(answer.status).toBe(status);
      await expectLogged(answer.problem(), 'validation_failed');
    }
  });

  it.each<[string, number, string, RawUpgrade]>([
    ['an unknown path', 404, 'not_found', { path: '/nowhere' }],
    ['another protocol', 426, 'protocol_unsupported', { handshake: { Upgrade: 'h2c' } }],
    ['no key', 400, 'protocol_unsupported', { handshake: { 'Sec-WebSocket-Key': undefined } }],
    ['two tickets', 400, 'multiple_credentials', { path: '/ws?ticket=a&ticket=b' }],
    ['another origin', 403, 'origin_not_allowed', { origin: 'https://evil.example' }],
    ['an unknown ticket', 403, 'ticket_unknown', { ticket: UNKNOWN_TICKET }],
    ['a malformed ticket', 403, 'ticket_malformed', { ticket: 'x' }],
    ['a token', 403, 'auth_method_disabled', { path: '/ws?token=x' }],
  ])(
    'of an upgrade that was refused for %s is in the log, with the exact cause',
    async (_what, status, reason, dial) => {
      const answer = await rawUpgrade(node, dial);
      expect(answer.status).toBe(status);
      await expectLogged(answer.problem(), reason);
    },
  );

  it('of an upgrade that was refused for a ticket of somebody else is in the log', async () => {
    const { id } = await createConversation(node, await aUser(cluster));
    const { ticket } = await mintTicket(node, user);
    const foreign = await rawUpgrade(node, { ticket, path: `/ws/conversations/${id}` });
    await expectLogged(foreign.problem(), 'conversation_not_found');
    const bound = await mintTicket(node, user, { origin: TEST_ORIGIN });
    await expectLogged((await rawUpgrade(node, bound)).problem(), 'ticket_binding_origin');
    await expectLogged((await rawUpgrade(node, bound)).problem(), 'ticket_consumed');
  });

  it('of an upgrade that was limited or came to a stopping node is in the log', async () => {
    const busy = await cluster.addNode({ LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: '1' });
    const headers = { 'X-Forwarded-For': '192.0.2.90' };
    const { ticket } = await mintTicket(busy, user);
    const silent = await RawSocket.open(busy, { ticket, headers });
    await expectLogged((await rawUpgrade(busy, { headers })).problem(), 'rate_limited', busy);
    busy.signal('SIGTERM');
    const answer = await eventually(async () => {
      const probe = await rawUpgrade(busy);
      return probe.status === 503 && probe;
    }, 'a node that drains');
    await expectLogged(answer.problem(), 'draining', busy);
    silent.destroy();
    await busy.exited;
  });

  it('of an error frame is in the log, whatever the error', async () => {
    const socket = await TestSocket.open(node, user);
    const conversation_id = randomUUID();
    const frames: [string, object | string][] = [
      ['frame_invalid', '{'],
      ['frame_unknown', { type: 'no-such', id: '1', data: {} }],
      ['validation_failed', { type: 'subscribe', id: '2', data: { conversation_id: 1 } }],
      ['conversation_not_found', { type: 'subscribe', id: '3', data: { conversation_id } }],
      ['run_not_found', { type: 'run.cancel', id: '4', data: { run_id: randomUUID() } }],
      ['ticket_unknown', { type: 'auth.refresh', id: '5', data: { ticket: UNKNOWN_TICKET } }],
    ];
    for (const [code, frame] of frames) {
      socket.sendRaw(typeof frame === 'string' ? frame : JSON.stringify(frame));
      const { data } = await socket.next('error', (error) => error.data.code === code);
      await expectLogged(data, code);
    }
  });

  it('of an error on a socket without a user is in the log', async () => {
    for (const [code, text] of [
      ['token_missing', '{"type":"initial","id":"a"}'],
      ['frame_invalid', '{'],
    ] as const) {
      const socket = await TestSocket.connect(node);
      socket.sendRaw(text);
      const { data, re } = await socket.next('error');
      expect(re).toBe(text === '{' ? undefined : 'a');
      await expectLogged(data, code);
    }
  });

  it('is the same for all refusals that one line counts, so that a flood writes few lines and loses none', async () => {
    const headers = { 'X-Forwarded-For': '192.0.2.77' };
    const ids = new Set<string>();
    for (let sent = 0; sent < FLOOD; sent += 20) {
      const dials = Array.from({ length: 20 }, () => rawUpgrade(node, { ticket: UNKNOWN_TICKET, headers }));
      for (const answer of await Promise.all(dials)) ids.add(answer.problem().trace_id);
    }
    expect(ids.size).toBeLessThanOrEqual(3);
    for (const id of ids) {
      const lines = await eventually(() => linesOf(id).length > 0 && linesOf(id), 'the line of a flood');
      expect(lines.length).toBeLessThanOrEqual(4);
    }
    const other = await rawUpgrade(node, {
      ticket: UNKNOWN_TICKET,
      headers: { 'X-Forwarded-For': '192.0.2.78' },
    });
    expect(ids).not.toContain(other.problem().trace_id);
  });

  describe('of a fault of the server', () => {
    afterEach(() => mendConversations(cluster));

    it('leads to its stack, and a stranger at the upgrade is told 503', async () => {
      const { id } = await createConversation(node, user);
      const { ticket } = await mintTicket(node, user);
      const socket = await TestSocket.open(node, user);
      await breakConversations(cluster);
      const answer = await rawUpgrade(node, { ticket, path: `/ws/conversations/${id}` });
      expect([answer.status, answer.problem().code]).toEqual([503, 'dependency_unavailable']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(answer.body).not.toMatch(/division|internal/i);
      const frame = await socket.send('subscribe', { conversation_id: id });
      const http = await get(`/conversations/${id}`);
      for (const [event, problem] of [
        ['upgrade.broken', answer.problem()],
        ['frame.broken', frame.data as Problem],
        ['request.broken', http.body],
      ] as const) {
        const line = await eventually(() => linesOf(problem.trace_id)[0], `the line ${event}`);
        expect(JSON.parse(line)).toMatchObject({
          event,
          severity: 'CRITICAL',
          reason: 'internal',
          error: expect.stringContaining('division by zero'),
        });
      }
    });
  });
});
