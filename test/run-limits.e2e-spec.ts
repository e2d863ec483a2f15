import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { aChat, ask, type Chat, countTo, endOf, events, history } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const MAX_RUNS_PER_USER = 4;
const MAX_RUNS_PER_NODE = 64;

let cluster: Cluster;
/** A third client of the database that claims runs; the tests decide when its transactions end. */
let elsewhere: pg.Client;
beforeAll(async () => {
  cluster = await startCluster({
    env: { WS_MAX_CONNECTIONS_PER_SESSION: '100', RUNS_PER_NODE: String(MAX_RUNS_PER_NODE) },
  });
  elsewhere = new pg.Client({ connectionString: cluster.databaseUrl });
  await elsewhere.connect();
});
afterAll(async () => {
  await elsewhere?.end();
  await cluster?.stop();
});

/** Several conversations of one user, on the two nodes in turn. */
function chatsOf(user: TestUser, count: number): Promise<Chat[]> {
  const nodes = [cluster.node, cluster.other];
  return Promise.all(Array.from({ length: count }, (_, index) => aChat(nodes[index % 2]!, user)));
}

/** Number of runs in progress now, of each user or each node. A node that has lost a run no longer holds its lease. */
async function running(by: 'user_id' | 'node'): Promise<number[]> {
  const rows = await cluster.sql<{ count: number }>(
    `SELECT count(*)::int FROM runs WHERE status = 'running' AND node <> 'gone' AND lease_until > now() GROUP BY ${by}`,
  );
  return rows.map(({ count }) => count);
}

/** The highest number of runs in progress at once, sampled until every run has ended. */
async function peakUntilIdle(by: 'user_id' | 'node'): Promise<number> {
  let peak = 0;
  const isIdle = async (): Promise<boolean> => {
    peak = Math.max(peak, ...(await running(by)));
    const open = await cluster.sql("SELECT 1 FROM runs WHERE status IN ('queued', 'running') LIMIT 1");
    return open.length === 0;
  };
  await eventually(isIdle, 'the end of all runs', 40_000);
  return peak;
}

/** Users with two conversations: in one a node died while it answered, in the other the answer is queued. */
async function leaveBehind(users: number, content: string): Promise<void> {
  await cluster.sql(
    `WITH owners AS (
       INSERT INTO users (id, email, display_name, password_hash)
       SELECT id, id || '@example.test', '', '' FROM (SELECT gen_random_uuid() FROM generate_series(1, $1)) AS ids (id)
       RETURNING id
     ), talks AS (
       INSERT INTO conversations (id, user_id, title, last_seq)
       SELECT gen_random_uuid(), owners.id, status, 1 FROM owners, unnest(ARRAY['queued', 'running']) AS status
       RETURNING id, user_id, title AS status
     ), questions AS (
       INSERT INTO messages (id, conversation_id, user_id, role, content, status, seq, client_message_id, created_at)
       SELECT gen_random_uuid(), id, user_id, 'user', $2, 'complete', 1, id, now() FROM talks
       RETURNING id, conversation_id
     )
     INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id, status, attempt, node, place, lease_until)
     SELECT gen_random_uuid(), talks.id, user_id, talks.id, questions.id, status,
       CASE status WHEN 'running' THEN 1 ELSE 0 END, 'gone', CASE status WHEN 'running' THEN 1 END,
       CASE status WHEN 'running' THEN now() END
     FROM talks JOIN questions ON questions.conversation_id = talks.id`,
    [users, content],
  );
}

describe('the answers of one user', () => {
  it('are written four at a time over both nodes, and the others follow', async () => {
    const chats = await chatsOf(await aUser(cluster), 11);
    const runs = await Promise.all(chats.map((chat) => ask(chat, 'count to 25')));
    expect(await peakUntilIdle('user_id')).toBe(MAX_RUNS_PER_USER);
    const ends = await Promise.all(chats.map((chat, index) => endOf(chat.socket, runs[index]!.run_id)));
    expect(ends.map(({ finish_reason }) => finish_reason)).toEqual(chats.map(() => 'stop'));
    await Promise.all(chats.map(({ socket }) => socket.close()));
  });

  it('do not keep another user waiting, however many are queued', async () => {
    const busy = await chatsOf(await aUser(cluster), 12);
    const runs = await Promise.all(busy.map((chat) => ask(chat, 'count to 90')));
    const other = await aChat(cluster.node, await aUser(cluster));
    const { run_id } = await ask(other, 'count to 3');
    await endOf(other.socket, run_id, 2000);
    expect((await history(other)).at(-1)?.content).toBe(countTo(3));
    expect(await running('user_id')).toEqual([MAX_RUNS_PER_USER]);
    // The queued runs first, because otherwise the next one would begin when another stops.
    for (const [index, chat] of [...busy.entries()].reverse()) {
      await chat.socket.send('run.cancel', { run_id: runs[index]!.run_id });
    }
    await Promise.all([other, ...busy].map(({ socket }) => socket.close()));
  });

  it('are at most four even when another node assigns the last place and has not committed yet', async () => {
    const user = (await aUser(cluster)).user.id;
    const insert = `WITH talk AS (
        INSERT INTO conversations (id, user_id, title) VALUES (gen_random_uuid(), $1, '') RETURNING id
      ) INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id, status, place, node, lease_until)
      SELECT $2, talk.id, $1, $2::uuid::text, gen_random_uuid(), $3, $4, 'elsewhere', now() + interval '1 hour' FROM talk`;
    for (const place of [1, 2, 3]) await cluster.sql(insert, [user, randomUUID(), 'running', place]);
    await elsewhere.query('BEGIN');
    await elsewhere.query(insert, [user, randomUUID(), 'running', 4]);
    const queued = randomUUID();
    await cluster.sql(insert, [user, queued, 'queued', null]);
    const isClaimWaiting = async (): Promise<boolean> => {
      const waiting = await cluster.sql(
        'SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted',
      );
      return waiting.length > 0;
    };
    await eventually(isClaimWaiting, 'a claim of the place');
    await elsewhere.query('COMMIT');
    // Later claims on both nodes.
    const other = await aUser(cluster);
    for (const node of [cluster.node, cluster.other]) {
      const chat = await aChat(node, other);
      await endOf(chat.socket, (await ask(chat, 'count to 1')).run_id);
      await chat.socket.close();
    }
    expect(await running('user_id')).toEqual([MAX_RUNS_PER_USER]);
    expect(await cluster.sql('SELECT status, attempt FROM runs WHERE id = $1', [queued])).toEqual([
      { status: 'queued', attempt: 0 },
    ]);
    expect([cluster.node, cluster.other].flatMap((node) => node.logged('run.claim_failed'))).toEqual([]);
    await cluster.sql('DELETE FROM conversations WHERE user_id = $1', [user]);
  });
});

describe('the answers of one user on three nodes, one of which is killed', () => {
  it('are never more than four, all end complete, and other users are answered meanwhile', async () => {
    const doomed = await cluster.addNode();
    const user = await aUser(cluster);
    const nodes = [doomed, cluster.node, cluster.other];
    const chats = await Promise.all(Array.from({ length: 12 }, (_, index) => aChat(nodes[index % 3]!, user)));
    const others = await Promise.all(
      [cluster.node, cluster.other].map(async (node) => aChat(node, await aUser(cluster))),
    );

    const [first, ...rest] = chats;
    await ask(first!, 'count to 50');
    await first!.socket.next('message.delta');
    await Promise.all(rest.map((chat) => ask(chat, 'count to 25')));
    const peak = peakUntilIdle('user_id');
    const killed = doomed.kill();
    const answered = others.map(async (chat) => {
      const { run_id } = await ask(chat, 'count to 3');
      await endOf(chat.socket, run_id);
      return cluster.sql("SELECT 1 FROM runs WHERE user_id = $1 AND status = 'queued'", [user.user.id]);
    });
    const [, seen, ...waiting] = await Promise.all([killed, peak, ...answered]);

    expect(seen).toBe(MAX_RUNS_PER_USER);
    for (const queued of waiting) expect(queued.length).toBeGreaterThan(0);
    for (const [index, chat] of chats.entries()) {
      const answer = { role: 'assistant', status: 'complete', content: countTo(index === 0 ? 50 : 25) };
      const there = { ...chat, node: cluster.node };
      expect(await history(there)).toMatchObject([{ role: 'user' }, answer]);
      const log = await events(there);
      expect(log.map(({ seq }) => seq)).toEqual(log.map((_, number) => number + 1));
      if (index === 0) expect(log.map(({ type }) => type)).toContain('run.takeover');
    }
    const alive = [...chats.filter(({ node }) => node !== doomed), ...others];
    await Promise.all(alive.map(({ socket }) => socket.close()));
  });
});

describe('the answers of one node', () => {
  it('are at most 64 at a time, including those that it takes over', async () => {
    await leaveBehind(80, 'count to 25');
    expect(await peakUntilIdle('node')).toBe(MAX_RUNS_PER_NODE);
    const completed = await cluster.sql(
      "SELECT 1 FROM runs WHERE status = 'completed' AND client_message_id = conversation_id::text",
    );
    expect(completed).toHaveLength(160);
  });
});
