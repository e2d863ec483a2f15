import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, startCluster } from './support/cluster.js';
import { Page } from './support/page.js';
import { createConversation, register } from './support/user.js';

/** The least that each setting takes, but for limits that the client itself would reach. */
const SMALLEST = {
  ACCESS_TOKEN_TTL_SECONDS: '10',
  SESSION_TTL_SECONDS: '10',
  REFRESH_GRACE_SECONDS: '0',
  WS_TICKET_TTL_SECONDS: '5',
  WS_HEARTBEAT_SECONDS: '1',
  WS_MAX_CONNECTIONS_PER_SESSION: '1',
  WS_MAX_CONNECTIONS_PER_USER: '1',
  DRAIN_SECONDS: '0',
  LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: '1',
  LIMIT_TICKETS_OUTSTANDING_PER_USER: '1',
  LIMIT_MESSAGES_PER_USER_PER_MINUTE: '1',
  // One to connect, and one for each of two lives of the token.
  LIMIT_TICKETS_PER_USER_PER_MINUTE: '3',
};

const HUGE = '100000000';
/** The most that each setting takes. */
const LARGEST = {
  ACCESS_TOKEN_TTL_SECONDS: '86400',
  SESSION_TTL_SECONDS: '86400',
  SESSION_MAX_SECONDS: '2592000',
  REFRESH_GRACE_SECONDS: '60',
  WS_TICKET_TTL_SECONDS: '120',
  WS_HEARTBEAT_SECONDS: '3600',
  WS_MAX_CONNECTIONS_PER_SESSION: '10000',
  WS_MAX_CONNECTIONS_PER_USER: '100000',
  DRAIN_SECONDS: '3600',
  AUDIT_RETENTION_DAYS: '36500',
  LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: HUGE,
  LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: HUGE,
  LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: HUGE,
  LIMIT_TICKETS_PER_USER_PER_MINUTE: HUGE,
  LIMIT_TICKETS_OUTSTANDING_PER_USER: HUGE,
  LIMIT_MESSAGES_PER_USER_PER_MINUTE: HUGE,
};

describe('a client that renews itself when it is told to', () => {
  let cluster: Cluster;
  /** Stories that take as long as tokens live, told beside each other. */
  let lives: { brief: Promise<Page>; capped: Promise<Page> };

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env: { ...LARGEST } });
    const brief = await cluster.addNode(SMALLEST);
    const capped = await cluster.addNode({
      ...LARGEST,
      ACCESS_TOKEN_TTL_SECONDS: '900',
      SESSION_MAX_SECONDS: '10',
      DRAIN_SECONDS: '0',
    });
    const accounts = await Promise.all([register(cluster.node), register(cluster.node)]);
    lives = {
      brief: Page.open(brief, accounts[0]).then(async (page) => {
        await converse(page);
        await page.until(() => page.all('auth.refreshed').length === 2, 'two renewals', 20_000);
        return page;
      }),
      capped: Page.open(capped, accounts[1]).then(async (page) => {
        await page.until(() => page.authErrors.length > 0, 'the end of the session', 20_000);
        return page;
      }),
    };
    for (const life of Object.values(lives)) life.catch(() => undefined);
  });

  afterAll(() => cluster?.stop());

  /** Asks, and waits for the answer. */
  async function converse(page: Page): Promise<void> {
    const { id } = await createConversation(page.node, { accessToken: page.token });
    page.client.subscribe(id, 0);
    const ids = { conversation_id: id, client_message_id: randomUUID() };
    await page.client.sendMessage({ ...ids, content: 'count to 3' });
    await page.until(() => page.all('run.completed').length > 0, 'an answer');
  }

  it('converses with the largest value of every setting, and its node stops as soon as it has left', async () => {
    const node = await cluster.addNode();
    const page = await Page.open(node, await register(node));
    await converse(page);
    const { auth, heartbeat, server_time } = page.ready;
    const leftMs = (time: string) => Date.parse(time) - Date.parse(server_time);
    expect(Math.round(leftMs(auth.expires_at) / 60_000)).toBe(24 * 60);
    expect(leftMs(auth.expires_at) - leftMs(auth.refresh_after)).toBe(60_000);
    expect(heartbeat.interval_ms).toBe(3_600_000);
    node.signal('SIGTERM');
    await page.until(() => node.logged('drain.begun').length > 0, 'the drain');
    page.client.close();
    expect(await node.exited).toMatchObject({ code: 0 });
  });

  it('is told once per life of its token, in time, and stays connected with the smallest value of every setting', async () => {
    const page = await lives.brief;
    const { auth, limits, server_time } = page.ready;
    expect(page.expiresIn).toBe(10);
    const halfMs = (Date.parse(auth.expires_at) - Date.parse(server_time)) / 2;
    expect(Date.parse(auth.refresh_after) - Date.parse(server_time)).toBeCloseTo(halfMs, -3);
    expect(page.all('auth.expiring')).toHaveLength(2);
    const ends = page.all('auth.refreshed').map(({ data }) => 'expires_at' in data && data.expires_at);
    expect(new Set([auth.expires_at, ...ends]).size).toBe(3);
    expect(page.calls.filter((call) => call === 'POST /websocket/ticket')).toHaveLength(3);
    expect([page.client.state.name, page.sockets, page.ends, page.errors]).toEqual(['open', 1, [], []]);
    // Its own pings alone are one a second with this heartbeat.
    expect(limits.frames_per_minute).toBeGreaterThanOrEqual(600);
    page.client.close();
  });

  it('is told once, and signs in again, when its session reaches its greatest age', async () => {
    const page = await lives.capped;
    expect(page.expiresIn).toBeLessThanOrEqual(10);
    expect(page.all('auth.expiring')).toHaveLength(1);
    expect(page.calls.filter((call) => call === 'POST /websocket/ticket')).toHaveLength(2);
    expect(page.authErrors.map((code) => ['session_expired', 'session_revoked'].includes(code))).toEqual([
      true,
    ]);
    expect([page.client.state.name, page.sockets]).toEqual(['stopped', 1]);
  });
});
