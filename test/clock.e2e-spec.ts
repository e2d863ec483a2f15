import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Receipt } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** More than every tolerance: 60 s for tokens, 90 s for connections whose heartbeat is missing. */
const SHIFT_SECONDS = 95;
const TOKEN_SECONDS = 10;
const TICKET_SECONDS = 5;
const MAX_CONNECTIONS = 2;

interface Wrong {
  node: TestNode;
  seconds: number;
}

/** One node has the right time; the clock of a second is far ahead, that of a third far behind. */
describe('a node whose clock is wrong', () => {
  let cluster: Cluster;
  let right: TestNode;
  let wrong: Wrong[];

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      env: {
        ACCESS_TOKEN_TTL_SECONDS: String(TOKEN_SECONDS),
        SESSION_MAX_SECONDS: '60',
        WS_TICKET_TTL_SECONDS: String(TICKET_SECONDS),
        WS_MAX_CONNECTIONS_PER_SESSION: String(MAX_CONNECTIONS),
      },
    });
    right = cluster.node;
    wrong = [];
    for (const seconds of [SHIFT_SECONDS, -SHIFT_SECONDS])
      wrong.push({ node: await cluster.addNode({}, { clockShiftMs: seconds * 1000 }), seconds });
  });

  afterAll(() => cluster.stop());

  const onEach = (check: (one: Wrong) => Promise<unknown>) => Promise.all(wrong.map(check));
  const skewOf = (node: TestNode) => metric(node, 'chat_clock_skew_seconds');

  it('says so in its log, once, and in its metrics', async () => {
    await onEach(async ({ node, seconds }) => {
      await eventually(async () => Math.abs((await skewOf(node)) - seconds) < 1, 'the skew in the metrics');
      expect(node.logged('clock.skewed')).toEqual([
        expect.objectContaining({ severity: 'CRITICAL', skew_seconds: expect.closeTo(seconds, 0) }),
      ]);
    });
    expect(Math.abs(await skewOf(right))).toBeLessThan(1);
    expect(right.logged('clock.skewed')).toEqual([]);
  });

  it('takes the tokens of the other nodes, and issues tokens that live as long as theirs', async () => {
    await onEach(async ({ node }) => {
      const [theirs, own] = [await aUser(cluster, right), await aUser(cluster, node)];
      await as(theirs, 'GET', `${node.url}/auth/me`, { expect: 200 });
      const me = await as<{ expires_at: string }>(own, 'GET', `${right.url}/auth/me`, { expect: 200 });
      const leftMs = Date.parse(me.body.expires_at) - Date.now();
      expect(leftMs).toBeGreaterThan((TOKEN_SECONDS - 4) * 1000);
      expect(leftMs).toBeLessThanOrEqual(TOKEN_SECONDS * 1000);
    });
  });

  it('accepts tickets that are valid, and refuses those that have expired, whichever node minted them', async () => {
    const receiptOf = async (user: TestUser, ticketId: string, at: TestNode) =>
      (await as<Receipt>(user, 'GET', `${at.url}/websocket/tickets/${ticketId}`, { expect: 200 })).body;
    const meet = async (maker: TestNode, taker: TestNode) => {
      const user = await aUser(cluster, right);
      const { ticket_id, ...late } = await mintTicket(maker, user);
      const leftMs = Date.parse(late.expires_at) - Date.now();
      expect(leftMs).toBeGreaterThan((TICKET_SECONDS - 2) * 1000);
      expect(leftMs).toBeLessThanOrEqual(TICKET_SECONDS * 1000);
      expect((await receiptOf(user, ticket_id, taker)).state).toBe('pending');
      const { ticket } = await mintTicket(maker, user);
      expect((await rawUpgrade(taker, { ticket })).status).toBe(101);
      const isOver = async () => (await receiptOf(user, ticket_id, taker)).state === 'expired';
      await eventually(isOver, 'the end of a ticket');
      expect(Date.now()).toBeGreaterThan(Date.parse(late.expires_at) - 100);
      expect((await receiptOf(user, ticket_id, maker)).code).toBe('ticket_expired');
      expect((await rawUpgrade(taker, { ticket: late.ticket })).status).toBe(403);
    };
    await onEach(({ node }) => Promise.all([meet(node, right), meet(right, node)]));
  });

  it('keeps a socket until it expires, and no longer', async () => {
    await onEach(async ({ node }) => {
      const user = await aUser(cluster, right);
      const { ticket } = await mintTicket(right, user);
      const socket = await TestSocket.connect(node, { ticket });
      const { data } = await socket.next('ready');
      expect(Math.abs(Date.parse(data.server_time) - Date.now())).toBeLessThan(1000);
      const closed = await socket.closes((TOKEN_SECONDS + 8) * 1000);
      expect(closed).toEqual({ code: 4100, reason: 'auth_expired' });
      expect(Date.now()).toBeGreaterThan(Date.parse(data.auth.expires_at));
    });
  });

  it('counts the connections of the other nodes', async () => {
    await onEach(async ({ node }) => {
      const user = await aUser(cluster, right);
      for (let count = 0; count < MAX_CONNECTIONS; count++) await TestSocket.open(right, user);
      const { ticket } = await mintTicket(node, user);
      expect((await rawUpgrade(node, { ticket })).status).toBe(403);
    });
  });

  it('knows the sessions of the other nodes until their absolute end', async () => {
    await onEach(async ({ node }) => {
      const user = await aUser(cluster, right);
      const url = `${node.url}/auth/sessions`;
      const answer = await as<{ sessions: unknown[] }>(user, 'GET', url, { expect: 200 });
      expect(answer.body.sessions).toHaveLength(1);
    });
  });

  it('says when its clock is right again', async () => {
    await onEach(async ({ node }) => {
      node.signal('SIGUSR2');
      await eventually(() => node.logged('clock.right_again').length === 1, 'the line that all is well');
      expect(Math.abs(await skewOf(node))).toBeLessThan(1);
      expect(node.logged('clock.skewed')).toHaveLength(1);
    });
  });
});
