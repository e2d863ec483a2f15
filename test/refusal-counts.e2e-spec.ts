import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isErrorCode } from '../protocol/errors.js';
import { LABEL_VALUES } from '../src/observability/label-values.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { samples } from './support/metrics.js';
import type { Sample } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import type { RawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const PER_MINUTE = 10;
const UNKNOWN_TICKET = 'A'.repeat(43);

/** One node refuses requests, upgrades, tickets and frames, and is then stopped, so that all its lines are written. */
describe('every refusal', () => {
  let cluster: Cluster;
  let node: TestNode;
  let exported: Sample[];

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      env: {
        TRUST_PROXY: '1',
        LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: String(PER_MINUTE),
        LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: String(PER_MINUTE),
        LIMIT_TICKETS_PER_USER_PER_MINUTE: String(PER_MINUTE),
        LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: '3',
        LIMIT_MESSAGES_PER_USER_PER_MINUTE: '1',
      },
    });
    node = cluster.node;
    await refuseRequests();
    await refuseUpgrades();
    await refuseTicketsAndFrames();
    await refuseWithoutRedis();
    exported = await samples(node);
    await node.stop();
  });

  afterAll(() => cluster.stop());

  const from = (address: string) => ({ 'x-forwarded-for': address });
  const times = (count: number, work: () => Promise<unknown>) =>
    Promise.all(Array.from({ length: count }, work));
  const upgrade = async (status: number, address: string, options: RawUpgrade) => {
    const answer = await rawUpgrade(node, { ...options, headers: from(address) });
    expect(answer.status).toBe(status);
  };

  async function refuseRequests(): Promise<void> {
    const ask = () => request('GET', `${node.url}/auth/me`, { headers: from('192.0.2.1') });
    await times(5, ask);
    const body = { email: 'nobody@example.test', password: 'not-the-password' };
    const login = () => request('POST', `${node.url}/auth/login`, { body, headers: from('192.0.2.2') });
    for (const status of [401, 401, 401, 429, 429]) expect((await login()).status).toBe(status);
    const register = () =>
      request('POST', `${node.url}/auth/register`, { body: {}, headers: from('192.0.2.3') });
    await times(PER_MINUTE, register);
    const over = await Promise.all(Array.from({ length: 4 }, register));
    expect(over.map(({ status }) => status)).toEqual([429, 429, 429, 429]);
  }

  async function refuseUpgrades(): Promise<void> {
    await times(5, () => upgrade(404, '192.0.2.4', { path: '/nowhere' }));
    await times(5, () => upgrade(403, '192.0.2.5', { origin: 'https://elsewhere.example' }));
    await times(5, () => upgrade(403, '192.0.2.6', { ticket: UNKNOWN_TICKET }));
    await times(PER_MINUTE, () => upgrade(403, '192.0.2.7', { ticket: UNKNOWN_TICKET }));
    await times(5, () => upgrade(429, '192.0.2.7', { ticket: UNKNOWN_TICKET }));
  }

  async function refuseTicketsAndFrames(): Promise<void> {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(node, user);
    const mint = (address: string) =>
      as(user, 'POST', `${node.url}/websocket/ticket`, { body: {}, headers: from(address) });
    for (let minted = 1; minted < PER_MINUTE; minted++) await mint('192.0.2.8');
    for (let over = 0; over < 3; over++) expect((await mint('192.0.2.9')).status).toBe(429);
    for (const text of ['{', '[]', '{"type":"no-such-type","id":"1"}']) {
      socket.sendRaw(text);
      await socket.next('error');
    }
    const { frames_per_minute: limit } = socket.all('ready')[0]!.data.limits;
    // One over the limit: three are already sent.
    for (let sent = 3; sent <= limit; sent++) socket.sendRaw('{"type":"ping","id":"1","data":{}}');
    await eventually(() => socket.frames.at(-1)?.type === 'error', 'the frames to be limited');
    await socket.close();
  }

  async function refuseWithoutRedis(): Promise<void> {
    cluster.redis.kill('SIGSTOP');
    try {
      for (let round = 0; round < 3; round++) {
        await times(4, () => upgrade(503, '192.0.2.10', { ticket: UNKNOWN_TICKET }));
      }
    } finally {
      cluster.redis.kill('SIGCONT');
    }
    const isUp = async () => (await request('GET', `${node.url}/health/ready`)).status === 200;
    await eventually(isUp, 'the node to be ready');
  }

  const counted = (name: string, labels: Record<string, string> = {}) => {
    const wanted = Object.entries(labels);
    return exported
      .filter(
        (sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value),
      )
      .reduce((sum, { value }) => sum + value, 0);
  };
  const written = (events: string[], fields: Record<string, string> = {}) =>
    events
      .flatMap((event) => node.logged(event))
      .filter((line) => Object.entries(fields).every(([key, value]) => line[key] === value))
      .reduce((sum, line) => sum + Number(line.count), 0);

  it.each([
    ['chat_auth_attempts_total', { path: 'http', reason: 'token_missing' }, 5],
    ['chat_auth_attempts_total', { path: 'password', reason: 'credentials_invalid' }, 3],
    ['chat_ws_upgrades_total', { reason: 'not_found' }, 5],
    ['chat_ws_upgrades_total', { reason: 'origin_not_allowed' }, 5],
    ['chat_ws_upgrades_total', { reason: 'ticket_unknown' }, 5 + PER_MINUTE],
    ['chat_ws_upgrades_total', { reason: 'rate_limited' }, 5],
    ['chat_ws_upgrades_total', { reason: 'dependency_unavailable' }, 12],
    ['chat_tickets_total', { event: 'limited' }, 3],
    ['chat_rate_limited_total', { limit: 'tickets' }, 3],
    ['chat_rate_limited_total', { limit: 'requests' }, 4],
    ['chat_auth_attempts_total', { path: 'password', reason: 'rate_limited' }, 2],
    ['chat_frames_total', { type: 'unusable' }, 3],
  ])('is one increment of %s %j', (name, labels, expected) => {
    expect(counted(name, labels)).toBe(expected);
  });

  it('of a credential is in the log, for each path and reason', () => {
    const refused = exported.filter(
      ({ name, labels, value }) =>
        name === 'chat_auth_attempts_total' && labels.outcome === 'refused' && value > 0,
    );
    expect(refused.length).toBeGreaterThanOrEqual(4);
    for (const { labels, value } of refused) {
      const { path = '', reason = '' } = labels;
      expect({ path, reason, lines: written(['auth.refused', 'auth.failed'], { path, reason }) }).toEqual({
        path,
        reason,
        lines: value,
      });
    }
  });

  it('of an upgrade is logged once, before the authentication service or by it', () => {
    const refused = exported.filter(
      ({ name, labels, value }) =>
        name === 'chat_ws_upgrades_total' && labels.outcome === 'refused' && value > 0,
    );
    expect(refused.length).toBeGreaterThanOrEqual(5);
    for (const { labels, value } of refused) {
      const { reason = '' } = labels;
      // For an address over its limit the ticket may be decided about as well, which is a separate refusal.
      const decisions = counted('chat_auth_attempts_total', { path: 'upgrade', outcome: 'refused', reason });
      const lines =
        written(['auth.refused', 'auth.failed'], { path: 'upgrade', reason }) +
        written(['upgrade.refused'], { reason });
      expect({ reason, lines }).toEqual({ reason, lines: Math.max(value, decisions) });
    }
  });

  it('by a limit, and of a frame, is logged as often as it is counted', () => {
    for (const limit of ['requests', 'tickets', 'frames']) {
      expect({ limit, lines: written(['limit.reached'], { limit }) }).toEqual({
        limit,
        lines: counted('chat_rate_limited_total', { limit }),
      });
    }
    expect(counted('chat_rate_limited_total', { limit: 'frames' })).toBeGreaterThan(0);
    expect(written(['frame.refused'])).toBe(3);
  });

  it('has a reason from the closed list, and every reason is exported before it first occurs', () => {
    for (const { name, labels } of exported) {
      if (!name.startsWith('chat_')) continue;
      for (const [label, value] of Object.entries(labels)) {
        const closed = LABEL_VALUES[label];
        if (closed !== undefined)
          expect({ name, label, value, in: closed.includes(value) }).toMatchObject({ in: true });
      }
    }
    const reasons = new Set(exported.flatMap(({ labels: { reason } }) => reason ?? []));
    for (const reason of reasons)
      expect({ reason, isCode: reason === 'none' || isErrorCode(reason) }).toMatchObject({ isCode: true });
    expect(reasons).toContain('ticket_consumed');
    expect(counted('chat_ws_upgrades_total', { reason: 'ticket_consumed' })).toBe(0);
  });
});
