import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import { MIN_ATTEMPTS } from '../src/observability/failure-objectives.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TEST_ORIGIN } from './support/node.js';
import { anAdmin, as, aUser, createConversation, mintTicket } from './support/user.js';
import { eventually } from './support/waiting.js';

const FLOOD = 500;

interface PathAnswer {
  paths: { path: string; accepted: number; refused: number; last_used_at: string | null }[];
}

describe('a refusal', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
  });

  afterAll(() => cluster.stop());

  const linesOf = (event: string, reason: string) =>
    cluster.node.logged(event).filter((line) => line.reason === reason);
  const firstLine = (event: string, reason: string) =>
    eventually(() => linesOf(event, reason)[0], `a line ${event} ${reason}`);

  it('is counted each time and logged in few lines, whose counts add up', async () => {
    const ticket = 'A'.repeat(43);
    for (let sent = 0; sent < FLOOD; sent += 20) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => rawUpgrade(cluster.node, { ticket, path: '/ws' })),
      );
      expect(answers.every(({ status }) => status === 403)).toBe(true);
    }
    const labels = { path: 'upgrade', outcome: 'refused', reason: 'ticket_unknown' };
    expect(await metric(cluster.node, 'chat_auth_attempts_total', labels)).toBe(FLOOD);
    const lines = () => linesOf('auth.refused', 'ticket_unknown');
    const total = () => lines().reduce((sum, line) => sum + Number(line.count), 0);
    await eventually(() => total() === FLOOD, 'lines that stand for all of them', 25_000);
    expect(lines().length).toBeLessThanOrEqual(5);
    expect(lines()[0]).toMatchObject({ level: 'warn', address: '127.0.0.1', count: 1 });
    expect(lines()[0]).not.toHaveProperty('severity');
  });

  it('of an HTTP request names reason and address', async () => {
    await request('GET', `${cluster.node.url}/auth/me`);
    expect(await firstLine('auth.refused', 'token_missing')).toMatchObject({
      path: 'http',
      address: '127.0.0.1',
    });
  });

  it('of a wrong password is a warning with the address', async () => {
    const body = { email: 'nobody@example.test', password: 'not-the-password' };
    await request('POST', `${cluster.node.url}/auth/login`, { body });
    const line = await firstLine('auth.refused', 'credentials_invalid');
    expect(line).toMatchObject({ level: 'warn', path: 'password', address: '127.0.0.1' });
    expect(line).not.toHaveProperty('severity');
  });

  it('before the ticket is checked is logged as well', async () => {
    expect((await rawUpgrade(cluster.node, { path: '/nowhere' })).status).toBe(404);
    expect(await firstLine('upgrade.refused', 'not_found')).toMatchObject({ address: '127.0.0.1' });
  });

  it('of a ticket that was used, or stolen from another origin, is critical', async () => {
    const user = await aUser(cluster);
    const { ticket, ticket_id } = await mintTicket(cluster.node, user, { origin: TEST_ORIGIN });
    await rawUpgrade(cluster.node, { ticket, path: '/ws' });
    await rawUpgrade(cluster.node, { ticket, path: '/ws' });
    for (const reason of ['ticket_binding_origin', 'ticket_consumed']) {
      expect(await firstLine('auth.refused', reason)).toMatchObject({ severity: 'CRITICAL' });
    }
    const replayed = await eventually(
      () => cluster.node.logged('ticket.replayed').find((line) => line.ticket_id === ticket_id),
      'the audit of a second use',
    );
    expect(replayed).toMatchObject({ severity: 'CRITICAL', user_id: user.user.id });
  });

  it('by any limit is one count and one line', async () => {
    const node = await cluster.addNode({
      TRUST_PROXY: '1',
      LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: '5',
      LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: '1',
      LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: '1',
      LIMIT_TICKETS_PER_USER_PER_MINUTE: '1',
      LIMIT_MESSAGES_PER_USER_PER_MINUTE: '1',
    });
    const user = await aUser(cluster);
    const { id: conversation_id } = await createConversation(cluster.node, user);
    let host = 0;
    const post = (path: string, body: unknown, address = `192.0.2.${++host}`) =>
      as<Problem>(user, 'POST', node.url + path, { body, headers: { 'x-forwarded-for': address } });
    const twice = async (path: string, body: unknown, address?: string) => {
      await post(path, body, address);
      return (await post(path, body, address)).status;
    };
    const email = 'one-of-many@example.test';
    const login = { email, password: 'not-the-password' };
    const ways: [limit: string, refusal: () => Promise<number>][] = [
      ['tickets', () => twice('/websocket/ticket', {})],
      ['registrations', () => twice('/auth/register', login, '192.0.2.100')],
      ['registrations_of_email', () => twice('/auth/register', { ...login, email: 'two@example.test' })],
      ['messages', () => twice(`/conversations/${conversation_id}/messages`, aMessage())],
      [
        'requests',
        async () => {
          for (let count = 0; count < 5; count++) await post('/auth/refresh', {}, '192.0.2.101');
          return (await post('/auth/refresh', {}, '192.0.2.101')).status;
        },
      ],
    ];
    for (const [limit, refusal] of ways) {
      expect([limit, await refusal()]).toEqual([limit, 429]);
      expect([limit, await metric(node, 'chat_rate_limited_total', { limit })]).toEqual([limit, 1]);
    }
    expect(await metric(node, 'chat_tickets_total', { event: 'limited' })).toBe(1);

    expect(await twice('/auth/login', { ...login, email: 'three@example.test' })).toBe(429);
    const decided = { path: 'password', outcome: 'refused', reason: 'rate_limited' };
    expect(await metric(node, 'chat_auth_attempts_total', decided)).toBe(1);
    const ticket = 'A'.repeat(43);
    const headers = { 'x-forwarded-for': '192.0.2.102' };
    for (const status of [403, 429])
      expect((await rawUpgrade(node, { ticket, headers })).status).toBe(status);
    const refused = { outcome: 'refused', reason: 'rate_limited' };
    expect(await metric(node, 'chat_ws_upgrades_total', refused)).toBe(1);
    const linesOn = (event: string) =>
      node.logged(event).filter((line) => line.reason === 'rate_limited' && line.count === 1);
    // This line is written last.
    await eventually(() => linesOn('upgrade.refused')[0], 'the line of the upgrade');
    expect(linesOn('upgrade.refused')).toEqual([expect.objectContaining({ address: '192.0.2.102' })]);
    expect(linesOn('auth.refused')).toEqual([
      expect.objectContaining({ path: 'password', address: expect.stringMatching(/^192/) }),
    ]);
    expect(linesOn('limit.reached').map(({ level, limit }) => [level, limit])).toEqual(
      ways.map(([limit]) => ['warn', limit]),
    );
  });

  it('of a credential that we issued raises one alarm when too many attempts on its path fail', async () => {
    const raised = () => cluster.node.logged('auth.failure_rate');
    // The tickets above, which a stranger made up, are no sign of a fault here.
    expect(raised()).toEqual([]);
    const { ticket } = await mintTicket(cluster.node, await aUser(cluster));
    for (let sent = 0; sent < MIN_ATTEMPTS + 20; sent += 20) {
      await Promise.all(Array.from({ length: 20 }, () => rawUpgrade(cluster.node, { ticket, path: '/ws' })));
    }
    const line = await eventually(() => raised()[0], 'a line about the rate');
    expect(line).toMatchObject({ level: 'error', severity: 'CRITICAL', path: 'upgrade', objective: 0.01 });
    expect(line.rate).toBeGreaterThan(0.9);
    expect(line.attempts).toBeGreaterThanOrEqual(MIN_ATTEMPTS);
    expect(raised()).toHaveLength(1);
  });

  it('shows in the paths that an administrator sees', async () => {
    const admin = await anAdmin(cluster);
    const url = `${cluster.node.url}/admin/auth/paths`;
    const { body } = await as<PathAnswer>(admin, 'GET', url, { expect: 200 });
    const names = body.paths.map(({ path }) => path);
    expect(names).toEqual(expect.arrayContaining(['http', 'upgrade', 'frame', 'password', 'refresh']));
    const upgrade = body.paths.find(({ path }) => path === 'upgrade');
    expect(upgrade).toMatchObject({ flag: null, last_used_at: expect.stringMatching(/Z$/) });
    expect(upgrade?.refused).toBeGreaterThanOrEqual(FLOOD);
    const legacy = `${cluster.node.url}/admin/auth/legacy-usage`;
    const usage = await as<{ usage: unknown[] }>(admin, 'GET', legacy, { expect: 200 });
    expect(usage.body.usage).toEqual([]);
    const user = await aUser(cluster);
    for (const route of [url, legacy, `${cluster.node.url}/admin/audit`]) {
      expect((await as(user, 'GET', route)).status).toBe(403);
    }
  });
});

const aMessage = () => ({ client_message_id: randomUUID(), content: 'What time is it?' });
