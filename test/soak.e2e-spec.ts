import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { countSockets } from '../scripts/process-sockets.js';
import type { RedisClient } from '../src/redis/redis-client.js';
import { ask, endOf } from './chat.support.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { channelsOf, keysOf, withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, createConversation, mintTicket, register, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** Users who do everything at the same time, each with an account. */
const LANES = 4;
const ROUNDS = 15;
/** Connections to Postgres that the node's own work may use at one moment and not at another. */
const OWN_POSTGRES_WORK = 2;
/** Longer than an idle connection to Postgres stays open: 10 s. */
const REST_LIMIT_MS = 15_000;

/** Keys of sessions, open sockets and unused tickets. */
const OWNED = /^(chat_session|session_(index|refresh|owner)|connection_(index|entry|list)|ws_ticket)(:|$)/;

describe('a node after hundreds of sockets have opened and closed', () => {
  let cluster: Cluster;
  let accounts: { email: string; password: string }[];

  beforeAll(async () => {
    // The node checks and records its open sockets once a second.
    cluster = await startCluster({ nodes: 1, env: { WS_HEARTBEAT_SECONDS: '1' } });
    // One after the other: many at once would open connections to Postgres before they are counted.
    accounts = [];
    for (let lane = 0; lane < LANES; lane++) accounts.push(await register(cluster.node));
  });

  afterAll(() => cluster.stop());

  /** What the node and its engines hold now. */
  async function held() {
    const { node } = cluster;
    const [{ count = 0 } = {}] = await cluster.sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'admit-one'`,
    );
    return {
      // Without those to Postgres, which are counted there, and those whose other end this process keeps open.
      sockets: countSockets(node.pid) - count - countSockets(process.pid),
      postgres: count,
      connections: await metric(node, 'chat_ws_connections'),
      sessions: await metric(node, 'chat_sessions_active'),
      channels: await withRedis(cluster, (redis) => channelsOf(redis, 'conversation:*')),
      keys: await withRedis(cluster, ownedKeys),
    };
  }

  /** Prefixes, up to the first colon, of the keys that must be removed. */
  async function ownedKeys(redis: RedisClient): Promise<string[]> {
    const owned = (await keysOf(redis)).filter((key) => OWNED.test(key));
    return [...new Set(owned.map((key) => key.split(':')[0] ?? ''))];
  }

  /** Asks and reads, then asks and leaves, with two sockets that watch the same conversation. */
  async function talk(user: TestUser): Promise<void> {
    const { node } = cluster;
    const { id } = await createConversation(node, user);
    const [reader, leaver] = [await TestSocket.open(node, user), await TestSocket.open(node, user)];
    await reader.send('subscribe', { conversation_id: id });
    await leaver.send('subscribe', { conversation_id: id });
    const { run_id } = await ask({ id, socket: reader }, 'count to 5');
    await endOf(reader, run_id);
    await ask({ id, socket: leaver }, 'count to 20');
    await leaver.cut();
    await reader.send('unsubscribe', { conversation_id: id });
    expect(await reader.close()).toMatchObject({ code: 1000 });
  }

  /** Opens sockets, and ends them by a close, a cut connection, a replacement and an unusable frame. */
  async function comeAndGo(user: TestUser): Promise<void> {
    const { node } = cluster;
    const { ticket } = await mintTicket(node, user);
    const polite = await TestSocket.connect(node, { ticket });
    await polite.next('ready');
    expect((await rawUpgrade(node, { ticket })).status).toBe(403);
    expect(await polite.close()).toMatchObject({ code: 1000 });
    await (await TestSocket.open(node, user)).cut();
    const older = await TestSocket.open(node, user, { client_id: 'same' });
    const newer = await TestSocket.open(node, user, { client_id: 'same' });
    expect(await older.closes()).toMatchObject({ code: 4409 });
    newer.sendRaw(Buffer.from('not text'));
    expect(await newer.closes()).toMatchObject({ code: 1003 });
  }

  async function visit({ email, password }: { email: string; password: string }): Promise<void> {
    const { node } = cluster;
    const user = await signIn(node, email, password);
    await talk(user);
    for (let round = 0; round < ROUNDS; round++) await comeAndGo(user);
    const last = await TestSocket.open(node, user);
    const unused = await mintTicket(node, user);
    await as(user, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    expect(await last.closes()).toMatchObject({ code: 4410 });
    expect((await rawUpgrade(node, { ticket: unused.ticket })).status).toBe(403);
  }

  it('holds no more than before: sockets, connections, subscriptions, keys and connections to Postgres', async () => {
    const before = await held();
    expect(before).toMatchObject({ connections: 0, sessions: 0, channels: [], keys: [] });
    await Promise.all(accounts.map(visit));
    expect(await metric(cluster.node, 'chat_ws_upgrades_total', { outcome: 'accepted' })).toBe(
      LANES * (3 + ROUNDS * 4),
    );
    let after = await held();
    const isBack = async () => {
      after = await held();
      return (
        after.sockets <= before.sockets &&
        after.postgres <= before.postgres + OWN_POSTGRES_WORK &&
        after.connections + after.sessions + after.channels.length + after.keys.length === 0
      );
    };
    await eventually(isBack, 'everything to come back', REST_LIMIT_MS).catch((error: unknown) => {
      // Shows what has stayed.
      expect(after).toEqual(before);
      throw error;
    });
  });

  it('leaves no key without an expiry', async () => {
    await withRedis(cluster, async (redis) => {
      const keys = await keysOf(redis);
      const lives = await Promise.all(keys.map((key) => redis.pttl(key)));
      expect(keys.filter((_, index) => lives[index] === -1)).toEqual([]);
      expect(keys.length).toBeGreaterThan(LANES);
    });
  });
});
