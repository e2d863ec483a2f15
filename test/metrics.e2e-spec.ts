import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { aChat, ask, endOf, watch } from './chat.support.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric, samples, scrape } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** Contract: dashboards and alerts rely on these names and labels. */
const LABELS: Record<string, string[]> = {
  chat_ws_connections: [],
  chat_ws_upgrades_total: ['outcome', 'reason'],
  chat_ws_closes_total: ['code', 'initiator'],
  chat_ws_connection_duration_seconds: [],
  chat_ws_heartbeat_rtt_seconds: [],
  chat_auth_attempts_total: ['path', 'outcome', 'reason'],
  chat_tickets_total: ['event'],
  chat_ticket_age_at_consume_seconds: [],
  chat_message_latency_seconds: ['stage'],
  chat_first_delta_seconds: [],
  chat_runs_total: ['outcome'],
  chat_run_takeovers_total: [],
  chat_resume_total: ['result'],
  chat_sessions_active: [],
  chat_revocation_close_seconds: [],
  chat_breaker_state: ['dependency'],
  chat_redis_up: [],
  chat_postgres_up: [],
  chat_flag_enabled: ['flag'],
  chat_legacy_auth_total: ['method', 'client'],
  chat_slow_consumers_total: [],
  chat_frames_total: ['direction', 'type'],
  chat_rate_limited_total: ['limit'],
  chat_clock_skew_seconds: [],
};

const TOKEN = 'metrics-token-of-this-test';

describe('the metrics', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env: { WS_HEARTBEAT_SECONDS: '1' } });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  /** By how much a metric changes because of `work`; waits until it changes. */
  async function growth(name: string, labels: Record<string, string>, work: () => Promise<unknown>) {
    const before = await metric(node, name, labels);
    await work();
    return eventually(
      async () => (await metric(node, name, labels)) - before || false,
      `${name} ${JSON.stringify(labels)} to move`,
    );
  }

  it.each(Object.keys(LABELS))('have %s', async (name) => {
    expect(await scrape(node)).toMatch(new RegExp(`^# TYPE ${name} (counter|gauge|histogram)$`, 'm'));
  });

  /** Number of decisions so far, by `path outcome`. */
  async function decisions(): Promise<Map<string, number>> {
    const sample = /^chat_auth_attempts_total\{path="(\w+)",outcome="(\w+)",reason="\w+"\} (\d+)$/gm;
    const counts = new Map<string, number>();
    for (const [, path, outcome, count] of (await scrape(node)).matchAll(sample)) {
      const key = `${path} ${outcome}`;
      counts.set(key, (counts.get(key) ?? 0) + Number(count));
    }
    return counts;
  }

  /** The decisions that `work` caused, each as often as it was made. */
  async function decidedBy(work: () => Promise<unknown>): Promise<string[]> {
    const before = await decisions();
    await work();
    const after = [...(await decisions())];
    return after.flatMap(([key, count]) => Array<string>(count - (before.get(key) ?? 0)).fill(key));
  }

  it('count one decision for each request, upgrade and frame: one service decides for REST and sockets', async () => {
    const { id } = await createConversation(node, user);
    const { ticket } = await mintTicket(node, user);
    const me = `${node.url}/auth/me`;
    expect(await decidedBy(() => as(user, 'GET', me, { expect: 200 }))).toEqual(['http accepted']);
    expect(await decidedBy(() => request('GET', me, { expect: 401 }))).toEqual(['http refused']);
    const connect = () => TestSocket.connect(node, { ticket });
    let socket: TestSocket | undefined;
    expect(await decidedBy(async () => (socket = await connect()))).toEqual(['upgrade accepted']);
    expect(await decidedBy(() => rawUpgrade(node, { ticket }))).toEqual(['upgrade refused']);
    const subscribe = async () => socket?.send('subscribe', { conversation_id: id });
    expect(await decidedBy(subscribe)).toEqual(['frame accepted']);
    await as(user, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    await socket?.closes();
    user = await aUser(cluster);
  });

  it('count the events of upgrades, tickets and sockets', async () => {
    const opened = await growth('chat_ws_upgrades_total', { outcome: 'accepted' }, async () => {
      const socket = await TestSocket.open(node, user);
      expect(await metric(node, 'chat_ws_connections')).toBe(1);
      expect(await metric(node, 'chat_sessions_active')).toBe(1);
      expect(
        await growth('chat_ws_closes_total', { code: '1000', initiator: 'client' }, () => socket.close()),
      ).toBe(1);
    });
    expect(opened).toBe(1);
    expect(await metric(node, 'chat_ws_connections')).toBe(0);
    expect(await metric(node, 'chat_sessions_active')).toBe(0);
    expect(await growth('chat_tickets_total', { event: 'issued' }, () => mintTicket(node, user))).toBe(1);
    const refused = { outcome: 'refused', reason: 'ticket_unknown' };
    const unknown = () => rawUpgrade(node, { ticket: 'A'.repeat(43) });
    expect(await growth('chat_ws_upgrades_total', refused, unknown)).toBe(1);
    expect(await metric(node, 'chat_ticket_age_at_consume_seconds_count')).toBeGreaterThan(0);
    expect(await metric(node, 'chat_ws_connection_duration_seconds_count')).toBeGreaterThan(0);
  });

  it('count decisions about credentials by their reason', async () => {
    const labels = { path: 'http', outcome: 'refused', reason: 'token_missing' };
    const ask = () => request('GET', `${node.url}/auth/me`);
    expect(await growth('chat_auth_attempts_total', labels, ask)).toBe(1);
  });

  it('measure messages, answers, heartbeats and revocations', async () => {
    const owner = await aUser(cluster);
    const { id: conversation_id } = await createConversation(node, owner);
    const socket = await TestSocket.open(node, owner);
    const completed = await growth('chat_runs_total', {}, async () => {
      const data = { conversation_id, client_message_id: randomUUID(), content: 'What time is it?' };
      await socket.send('message.send', data);
      await socket.next('run.completed');
    });
    expect(completed).toBe(1);
    for (const name of ['chat_message_latency_seconds_count', 'chat_first_delta_seconds_count']) {
      expect(await metric(node, name)).toBeGreaterThan(0);
    }
    await eventually(
      async () => (await metric(node, 'chat_ws_heartbeat_rtt_seconds_count')) > 0,
      'a heartbeat',
    );
    const logout = () => as(owner, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    expect(await growth('chat_revocation_close_seconds_count', {}, logout)).toBe(1);
    expect((await socket.closes()).code).toBe(4410);
  });

  it('count every frame that is sent, a broadcast once for each socket that gets it', async () => {
    const tallies = async () => {
      const sent = (await samples(node)).filter(
        ({ name, labels }) => name === 'chat_frames_total' && labels.direction === 'out',
      );
      return new Map(sent.map(({ labels, value }) => [labels.type ?? '', value]));
    };
    const before = await tallies();
    const owner = await aUser(cluster);
    const chat = await aChat(node, owner);
    const sockets = [chat.socket, await watch(chat, node), await TestSocket.open(node, owner)];
    const [, , third] = sockets;
    await third?.send('resume', { cursors: [{ conversation_id: chat.id, seq: 0 }] });
    third?.sendRaw('no frame');
    const { run_id } = await ask(chat, 'count to 40');
    for (const socket of sockets) await endOf(socket, run_id);
    await as(owner, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    for (const socket of sockets) await socket.closes();
    const received = new Map<string, number>();
    for (const { type } of sockets.flatMap(({ frames }) => frames))
      received.set(type, (received.get(type) ?? 0) + 1);
    const after = await tallies();
    const grown = [...after].map(([type, count]): [string, number] => [
      type,
      count - (before.get(type) ?? 0),
    ]);
    expect(new Map(grown.filter(([, count]) => count > 0))).toEqual(received);
    for (const [type, count] of Object.entries({
      'run.completed': 3,
      ready: 3,
      error: 1,
      'message.accepted': 1,
    }))
      expect({ type, count: received.get(type) }).toEqual({ type, count });
    expect(received.get('message.delta')).toBeGreaterThan(3);
  });

  it('say that everything is up', async () => {
    expect(await metric(node, 'chat_redis_up')).toBe(1);
    expect(await metric(node, 'chat_postgres_up')).toBe(1);
    expect(await metric(node, 'chat_breaker_state')).toBe(0);
  });

  it('have only the labels of the contract, and no values from strangers or users', async () => {
    await rawUpgrade(node, { path: '/ws/label-of-a-stranger', headers: { 'x-label-of-a-stranger': '1' } });
    const socket = await TestSocket.open(node, user);
    socket.sendRaw('{"type":"label-of-a-stranger"}');
    await socket.next('error');
    socket.ws.close(4999, 'label-of-a-stranger');
    await socket.closed;
    const text = await scrape(node);
    expect(text).not.toContain('label-of-a-stranger');
    for (const secret of [user.user.id, user.email, user.sessionId, '"4999"'])
      expect(text).not.toContain(secret);
    for (const [, name = '', inner = ''] of text.matchAll(
      /^(chat_[a-z_]+?)(?:_bucket|_sum|_count)?\{(.*)\} /gm,
    )) {
      const labels = [...inner.matchAll(/([a-z_]+)="/g)]
        .map((match) => match[1])
        .filter((label) => label !== 'le');
      expect({ name, labels: labels.sort() }).toEqual({ name, labels: [...(LABELS[name] ?? [])].sort() });
    }
  });

  it('are only for holders of the token when one is set', async () => {
    const closed = await cluster.addNode({ METRICS_TOKEN: TOKEN });
    const read = (headers: Record<string, string>, query = '') =>
      request('GET', `${closed.url}/metrics${query}`, { headers });
    expect((await read({ authorization: `Bearer ${TOKEN}` })).status).toBe(200);
    const refused: Record<string, string>[] = [
      {},
      { authorization: 'Bearer other' },
      { authorization: TOKEN },
      { authorization: `Bearer ${user.accessToken}` },
    ];
    for (const headers of refused) expect((await read(headers)).status).toBe(401);
    expect((await read({}, `?token=${TOKEN}`)).status).toBe(401);
  });
});
