import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedTicket, Receipt } from '../protocol/resources.js';
import { MIN_ATTEMPTS } from '../src/observability/failure-objectives.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { keysOf, withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const TTL_SECONDS = 5;
/** The contract is a minute. */
const RECORD_LIMIT_MS = 60_000;
/** Time to start private engines and four nodes. */
const START_LIMIT_MS = 120_000;
const MANY = MIN_ATTEMPTS + 10;

interface Row {
  user_id: string;
  node: string;
  fields: { ticket_id: string; expired_at: string; handoff?: boolean };
}

/** All tickets are minted at the beginning, so that one wait is enough for all of them. */
describe('a ticket that expires', () => {
  let cluster: Cluster;
  let node: TestNode;
  let other: TestNode;
  let user: TestUser;
  let forgotten: IssuedTicket;
  let late: IssuedTicket;
  let many: IssuedTicket[];
  let decided: { used: IssuedTicket; refused: IssuedTicket; burnt: IssuedTicket };
  let ofKilledNode: IssuedTicket;

  beforeAll(async () => {
    cluster = await startCluster({
      env: { WS_TICKET_TTL_SECONDS: String(TTL_SECONDS), WS_MAX_CONNECTIONS_PER_SESSION: '100' },
      durableRedis: true,
      privatePostgres: true,
    });
    ({ node, other } = cluster);
    const [doomed, stopping] = [await cluster.addNode(), await cluster.addNode()];
    user = await aUser(cluster);
    decided = {
      used: await mintTicket(node, user),
      refused: await mintTicket(node, user, { client_id: 'tab-1' }),
      burnt: await mintTicket(node, user),
    };
    await decide();
    // The node stops while it has a socket that does not use its handoff ticket.
    await TestSocket.open(stopping, user);
    ofKilledNode = await mintTicket(doomed, user);
    await listed(ofKilledNode);
    await Promise.all([doomed.kill(), stopping.stop()]);
    forgotten = await mintTicket(node, user);
    many = await Promise.all(Array.from({ length: MANY }, () => mintTicket(node, user)));
    late = await mintTicket(node, user);
  }, START_LIMIT_MS);

  afterAll(() => cluster.stop());

  async function decide(): Promise<void> {
    const { used, refused, burnt } = decided;
    expect((await rawUpgrade(node, { ticket: used.ticket })).status).toBe(101);
    expect((await rawUpgrade(node, { ticket: refused.ticket, path: '/ws?client_id=tab-2' })).status).toBe(
      403,
    );
    await as(user, 'DELETE', `${node.url}/websocket/tickets/${burnt.ticket_id}`, { expect: 204 });
  }

  const allRows = () =>
    cluster.sql<Row>("SELECT user_id, node, fields FROM audit_log WHERE event = 'ticket.expired'");
  const rowsOf = async ({ ticket_id }: IssuedTicket) =>
    (await allRows()).filter(({ fields }) => fields.ticket_id === ticket_id);
  const recorded = (ticket: IssuedTicket) =>
    eventually(async () => (await rowsOf(ticket))[0], 'the row of an expired ticket', RECORD_LIMIT_MS);
  const receiptOf = async ({ ticket_id }: IssuedTicket, at = node) =>
    (await as<Receipt>(user, 'GET', `${at.url}/websocket/tickets/${ticket_id}`, { expect: 200 })).body;
  const total = async (name: string, labels: Record<string, string>) =>
    (await metric(node, name, labels)) + (await metric(other, name, labels));
  const refusedLate = () => total('chat_auth_attempts_total', { path: 'upgrade', reason: 'ticket_expired' });

  /** Resolves when other nodes can find a ticket that is not used; its node tells them after 250 ms. */
  const listed = ({ ticket_id }: IssuedTicket) =>
    withRedis(cluster, (redis) =>
      eventually(
        async () => (await redis.zscore(`ticket_index:${user.user.id}`, ticket_id)) !== null,
        'a ticket to be listed',
      ),
    );

  /** Resolves when no ticket waits for its expiry or is being recorded by a node. */
  const allLetGo = () =>
    withRedis(cluster, (redis) =>
      eventually(
        async () => (await keysOf(redis, 'ticket_expiry:*')).length === 0,
        'no ticket to be awaited',
        RECORD_LIMIT_MS,
      ),
    );

  async function expectRefusedLate(minted: IssuedTicket, at: TestNode): Promise<void> {
    const answer = await rawUpgrade(at, { ticket: minted.ticket });
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
    expect(await receiptOf(minted, at)).toEqual({
      ticket_id: minted.ticket_id,
      state: 'expired',
      code: 'ticket_expired',
      at: minted.expires_at,
    });
  }

  it('is refused as expired on every node when it is presented late, before and after it is recorded', async () => {
    const before = await refusedLate();
    await eventually(async () => (await receiptOf(late)).state === 'expired', 'the end of a ticket');
    await expectRefusedLate(late, other);
    expect(await rowsOf(late)).toEqual([]);
    await recorded(late);
    for (const at of [node, other]) await expectRefusedLate(late, at);
    expect((await refusedLate()) - before).toBe(3);
  });

  it('is recorded once in the cluster: one row, one line, one count, however often it is presented', async () => {
    await recorded(forgotten);
    await allLetGo();
    const rows = await allRows();
    const ids = rows.map(({ fields }) => fields.ticket_id);
    expect(new Set(ids).size).toBe(ids.length);
    const own = [forgotten, late, ofKilledNode, ...many];
    expect(ids).toEqual(expect.arrayContaining(own.map(({ ticket_id }) => ticket_id)));
    expect(rows.find(({ fields }) => fields.ticket_id === forgotten.ticket_id)).toMatchObject({
      user_id: user.user.id,
      fields: { expired_at: forgotten.expires_at },
    });
    expect(await total('chat_tickets_total', { event: 'expired' })).toBe(rows.length);
    const lines = [node, other].flatMap((one) => one.logged('ticket.expired'));
    expect(lines.map(({ ticket_id }) => ticket_id).sort()).toEqual([...ids].sort());
  });

  it('is recorded by another node when the node that minted it was killed', async () => {
    const [row] = await rowsOf(ofKilledNode);
    expect([node.name, other.name]).toContain(row?.node);
  });

  it('is recorded when it was minted for a socket of a node that stopped', async () => {
    const handoffs = (await allRows()).filter(({ fields }) => fields.handoff === true);
    expect(handoffs).toEqual([expect.objectContaining({ user_id: user.user.id })]);
  });

  it('is not recorded as expired when it was used, refused or burnt', async () => {
    const states: string[] = [];
    for (const ticket of Object.values(decided)) {
      expect(await rowsOf(ticket)).toEqual([]);
      states.push((await receiptOf(ticket)).state);
    }
    expect(states).toEqual(['consumed', 'rejected', 'revoked']);
  });

  it('counts as one failure for each late presentation, and as none when it is never presented', async () => {
    const before = await refusedLate();
    expect(before).toBe(3);
    expect(other.logged('auth.failure_rate')).toEqual([]);
    await Promise.all(many.map(({ ticket }) => rawUpgrade(other, { ticket })));
    expect((await refusedLate()) - before).toBe(MANY);
    const line = await eventually(() => other.logged('auth.failure_rate')[0], 'a line about the rate');
    expect(line).toMatchObject({ severity: 'CRITICAL', path: 'upgrade' });
  });

  /** Puts a ticket back among those that wait for their expiry, as due now. */
  async function awaitAgain({ ticket_id, expires_at }: IssuedTicket): Promise<void> {
    const member = [ticket_id, user.user.id, Date.parse(expires_at), 'asked_for'].join('|');
    const shard = Buffer.from(ticket_id.slice(4), 'base64url')[0]! % 8;
    await withRedis(cluster, (redis) => redis.zadd(`ticket_expiry:${shard}`, Date.now(), member));
  }

  it('is recorded once although the node that recorded it died before it removed it from the queue', async () => {
    await awaitAgain(forgotten);
    // A used ticket whose use is only in the audit log, as when Redis lost its data in between.
    const { used } = decided;
    const pending = {
      ticket_id: used.ticket_id,
      state: 'pending',
      at: used.server_time,
      user_id: user.user.id,
    };
    await withRedis(cluster, (redis) =>
      redis.set(`ws_ticket_receipt:${used.ticket_id}`, JSON.stringify(pending), 'EX', 300),
    );
    await awaitAgain(used);
    const counted = await total('chat_tickets_total', { event: 'expired' });
    await allLetGo();
    expect(await rowsOf(forgotten)).toHaveLength(1);
    expect(await rowsOf(used)).toEqual([]);
    expect(await total('chat_tickets_total', { event: 'expired' })).toBe(counted);
  });

  it('is recorded once when PostgreSQL was frozen at its expiry', async () => {
    const minted = await mintTicket(node, user);
    await listed(minted);
    /** Time at which the ticket in the queue is due; a node that takes it postpones that time. */
    const dueMs = () =>
      withRedis(cluster, async (redis) => {
        const keys = await keysOf(redis, 'ticket_expiry:*');
        const found = await Promise.all(keys.map((key) => redis.zrange(key, 0, '-1', 'WITHSCORES')));
        return Number(found.flat()[1]);
      });
    cluster.postgres?.kill('SIGSTOP');
    try {
      let due = await dueMs();
      // The first node that took it could not record it, so it stays in the queue.
      for (const which of ['first', 'second']) {
        const taken = async () => (await dueMs()) > due;
        await eventually(taken, `a node to take the ticket a ${which} time`, 30_000);
        due = await dueMs();
      }
    } finally {
      cluster.postgres?.kill('SIGCONT');
    }
    await recorded(minted);
    await allLetGo();
    expect(await rowsOf(minted)).toHaveLength(1);
  });

  it('is recorded once when Redis was down at its expiry', async () => {
    const minted = await mintTicket(node, user);
    cluster.redis.kill('SIGKILL');
    await eventually(() => Date.now() > Date.parse(minted.expires_at) + 6000, 'its time to be over', 30_000);
    await cluster.redis.restart();
    await recorded(minted);
    await allLetGo();
    expect(await rowsOf(minted)).toHaveLength(1);
    expect(await receiptOf(minted)).toMatchObject({ state: 'expired', code: 'ticket_expired' });
  });
});
