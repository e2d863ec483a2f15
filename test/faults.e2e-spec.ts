import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { IssuedTicket } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import type { PrivateEngine } from './support/engines.js';
import { request } from './support/http.js';
import type { Answer } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { handshake } from './support/raw-socket.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import type { RawAnswer } from './support/raw-upgrade.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const ANSWER_LIMIT_MS = 1500;
const RECOVERY_LIMIT_MS = 3000;

interface HealthPage {
  details: Record<string, { status: string }>;
}

describe('a node whose dependency is down', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;
  let conversationId: string;
  let socket: TestSocket;

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      privatePostgres: true,
      durableRedis: true,
      env: {
        WS_MAX_CONNECTIONS_PER_SESSION: '100',
        WS_MAX_CONNECTIONS_PER_USER: '100',
        WS_TICKET_TTL_SECONDS: '120',
        // Often enough that the heartbeat also runs while an engine is down.
        WS_HEARTBEAT_SECONDS: '1',
      },
    });
    node = cluster.node;
    user = await aUser(cluster);
    conversationId = (await createConversation(node, user)).id;
    socket = await TestSocket.open(node, user);
  });

  afterAll(() => cluster.stop());

  const mint = (body: object = {}) =>
    as<IssuedTicket & Problem>(user, 'POST', `${node.url}/websocket/ticket`, { body });
  const health = async (kind: string) => (await request('GET', `${node.url}/health/${kind}`)).status;
  const send = (client_message_id: string) => {
    const content = 'What time is it?';
    const data = { conversation_id: conversationId, client_message_id, content, on_busy: 'queue' as const };
    return socket.send('message.send', data);
  };

  /** Expects `work` to take at most 1.5 seconds. */
  async function inTime<T>(what: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    expect({ what, isInTime: performance.now() - start < ANSWER_LIMIT_MS }).toEqual({ what, isInTime: true });
    return result;
  }

  function expectUnavailable(answer: { status: number; code: string; retryAfter: unknown }): void {
    expect(answer).toEqual({
      status: 503,
      code: 'dependency_unavailable',
      retryAfter: expect.stringMatching(/^[1-9]/),
    });
  }

  async function expectNoUpgrade(path = '/ws', ticket = 'A'.repeat(43)): Promise<void> {
    const refusal = await inTime('an upgrade', () => rawUpgrade(node, { ticket, path }));
    const { status, headers } = refusal;
    expectUnavailable({ status, code: refusal.problem().code, retryAfter: headers['retry-after'] });
  }

  function expectNoAnswer({ status, headers, body }: Answer<Problem>): void {
    expectUnavailable({ status, code: body.code, retryAfter: headers.get('retry-after') });
  }

  /** Expects everything to work again as before, by itself. */
  async function expectRecovery(): Promise<void> {
    const deadline = Date.now() + RECOVERY_LIMIT_MS;
    await eventually(
      async () => {
        const minted = await mint();
        if (minted.status !== 201) return false;
        const upgraded = await rawUpgrade(node, { ticket: minted.body.ticket });
        return upgraded.status === 101 && (await health('ready')) === 200;
      },
      'tickets and upgrades again',
      RECOVERY_LIMIT_MS,
    );
    expect(Date.now()).toBeLessThanOrEqual(deadline + 500);
    await eventually(async () => (await send(randomUUID())).type === 'message.accepted', 'messages again');
    expect(node.logged('server.stopping')).toEqual([]);
  }

  /** Expects the node to be live but not ready, and the open socket to stay open. */
  async function expectOnlyLife(): Promise<void> {
    expect(await inTime('readiness', () => health('ready'))).toBe(503);
    expect(await inTime('liveness', () => health('live'))).toBe(200);
    await expectOpenSocket();
  }

  async function expectOpenSocket(): Promise<void> {
    expect((await socket.send('ping', {})).type).toBe('pong');
  }

  const postgres = () => {
    if (cluster.postgres === undefined) throw new Error('this file needs a Postgres of its own');
    return cluster.postgres;
  };

  const faults: [
    string,
    (engine: PrivateEngine) => Promise<void> | void,
    (engine: PrivateEngine) => Promise<void> | void,
  ][] = [
    ['stopped', (engine) => engine.stop(), (engine) => engine.restart()],
    ['killed', (engine) => engine.kill('SIGKILL'), (engine) => engine.restart()],
    ['frozen', (engine) => engine.kill('SIGSTOP'), (engine) => engine.kill('SIGCONT')],
  ];

  it.each(faults)(
    'refuses tickets and upgrades with 503 when Redis is %s, and recovers',
    async (_how, hurt, heal) => {
      const { ticket } = (await mint()).body;
      await hurt(cluster.redis);
      try {
        for (let round = 0; round < 3; round++) {
          await expectNoUpgrade('/ws', ticket);
          expectNoAnswer(await inTime('a mint', () => mint()));
          expectNoAnswer(await inTime('/auth/me', () => as<Problem>(user, 'GET', `${node.url}/auth/me`)));
        }
        const { data } = await send(randomUUID());
        expect((data as Problem).code).toBe('dependency_unavailable');
        const renewal = await socket.send('auth.refresh', { ticket });
        expect((renewal.data as Problem).code).toBe('dependency_unavailable');
        await expectOnlyLife();
      } finally {
        await heal(cluster.redis);
      }
      await expectRecovery();
      await expectOpenSocket();
    },
  );

  it.each(faults)(
    'refuses upgrades and sends with 503 when Postgres is %s, and recovers',
    async (_how, hurt, heal) => {
      const { ticket } = (await mint()).body;
      const unanswered = [randomUUID(), randomUUID(), randomUUID()];
      await hurt(postgres());
      try {
        await expectNoUpgrade('/ws', ticket);
        for (const id of unanswered) {
          await expectNoUpgrade(`/ws/conversations/${conversationId}`);
          expectNoAnswer(await inTime('a mint', () => mint({ conversation_id: conversationId })));
          const { data } = await inTime('a message', () => send(id));
          expect((data as Problem).code).toBe('dependency_unavailable');
        }
        await expectOnlyLife();
      } finally {
        await heal(postgres());
      }
      await expectRecovery();
      await expectOpenSocket();
      for (const id of unanswered) expect((await send(id)).type).toBe('message.accepted');
      const count = 'SELECT count(*)::int AS count FROM messages WHERE client_message_id = ANY($1)';
      expect(await cluster.sql(count, [unanswered])).toEqual([{ count: unanswered.length }]);
    },
  );

  it('refuses each of a thousand upgrades with 503 while Redis is stopped, and leaks nothing', async () => {
    const good = await Promise.all(Array.from({ length: 50 }, () => mintTicket(node, user)));
    const tickets = good.map(({ ticket }) => ticket);
    while (tickets.length < 1000) tickets.push(randomBytes(32).toString('base64url'));
    const handles = () => metric(node, 'nodejs_active_handles_total');
    const refusals = () => metric(node, 'chat_ws_upgrades_total', { reason: 'dependency_unavailable' });
    const before = { handles: await handles(), refusals: await refusals() };
    await cluster.redis.stop();
    const answers: RawAnswer[] = [];
    try {
      const next = tickets[Symbol.iterator]();
      const dialler = async () => {
        for (const ticket of next) answers.push(await rawUpgrade(node, { ticket }));
      };
      await Promise.all(Array.from({ length: 50 }, dialler));
    } finally {
      await cluster.redis.restart();
    }
    const seen = answers.map(
      (answer) => `${answer.status} ${answer.problem().code} ${answer.headers['retry-after']}`,
    );
    expect(seen).toHaveLength(1000);
    expect(new Set(seen)).toEqual(new Set(['503 dependency_unavailable 1']));
    await expectRecovery();
    await expectOpenSocket();
    expect((await refusals()) - before.refusals).toBe(1000);
    await eventually(async () => (await handles()) <= before.handles + 5, 'their sockets to be gone');
  });
  it.each([
    ['redis', 'chat_redis_up', () => cluster.redis],
    ['postgres', 'chat_postgres_up', postgres],
  ] as [string, string, () => PrivateEngine][])(
    'shows a hanging %s as down in the health report, and its breaker open, half-open and closed in the metrics',
    async (dependency, gauge, engine) => {
      const value = () => metric(node, 'chat_breaker_state', { dependency });
      const seen = [await value()];
      const sees = (wanted: number) =>
        eventually(async () => {
          const state = await value();
          if (state !== seen.at(-1)) seen.push(state);
          return state === wanted;
        }, `the breaker of ${dependency} to be ${wanted}`);
      const part = async () => {
        const { status, body } = await request<HealthPage>('GET', `${node.url}/health/full`);
        return { page: status, ...body.details[dependency] };
      };
      expect(await part()).toMatchObject({ page: 200, status: 'up' });
      const told = node.logged(`${dependency}.lost`).length;
      engine().kill('SIGSTOP');
      try {
        await Promise.all(Array.from({ length: 5 }, () => mint({ conversation_id: conversationId })));
        await sees(2);
        expect(await part()).toMatchObject({ page: 503, status: 'down' });
        expect(await metric(node, gauge)).toBe(0);
        await sees(1);
      } finally {
        engine().kill('SIGCONT');
      }
      await sees(0);
      expect(seen.filter((state, index) => state !== seen[index - 1]).slice(0, 3)).toEqual([0, 2, 1]);
      expect(await part()).toMatchObject({ page: 200, status: 'up' });
      expect(await metric(node, gauge)).toBe(1);
      expect(node.logged(`${dependency}.lost`)).toHaveLength(told + 1);
      await expectRecovery();
    },
  );

  it('survives clients that hang up or reset while their upgrade waits for Redis, and counts none of them', async () => {
    const minted = await Promise.all(Array.from({ length: 40 }, () => mintTicket(node, user)));
    cluster.redis.kill('SIGSTOP');
    const gone = minted.map(({ ticket }, index) => dialAndLeave(node, ticket, index % 2 === 0));
    await Promise.all(gone.map(({ left }) => left));
    cluster.redis.kill('SIGCONT');
    await Promise.all(gone.map(({ closed }) => closed));
    await expectRecovery();
    await expectOpenSocket();
    const places = () => withRedis(cluster, (redis) => redis.zcard(`connection_index:${user.user.id}`));
    await eventually(async () => (await places()) === 1, 'the place of the open socket to be the only one');
  });

  it('admits at most one of many clients that present the same ticket while Redis is frozen', async () => {
    const { ticket } = await mintTicket(node, user);
    cluster.redis.kill('SIGSTOP');
    const during = await Promise.all(Array.from({ length: 20 }, () => rawUpgrade(node, { ticket })));
    cluster.redis.kill('SIGCONT');
    expect(new Set(during.map(({ status }) => status))).toEqual(new Set([503]));
    await expectRecovery();
    const after = await Promise.all(Array.from({ length: 20 }, () => rawUpgrade(node, { ticket })));
    expect(after.filter(({ status }) => status === 101).length).toBeLessThanOrEqual(1);
    expect(after.filter(({ status }) => ![101, 403].includes(status))).toEqual([]);
  });
});

/** A client that leaves before it can get a response, by a reset or by hanging up. */
function dialAndLeave(node: TestNode, ticket: string, shouldReset: boolean) {
  const socket = connect(node.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const left = new Promise<void>((resolve) => {
    socket.write(handshake(node.port, { ticket }), () => {
      // Gives the node time to read the handshake before the connection ends.
      setTimeout(() => {
        if (shouldReset) socket.resetAndDestroy();
        else socket.end();
        setTimeout(resolve, 50);
      }, 50);
    });
  });
  return { left, closed };
}
