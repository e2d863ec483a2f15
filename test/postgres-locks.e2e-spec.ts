import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { createDataSource } from '../src/database/data-source.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { as, aUser, createConversation } from './support/user.js';
import { eventually } from './support/waiting.js';

const LOCK = 'SELECT 1 FROM conversations WHERE id = $1 FOR UPDATE NOWAIT';

let cluster: Cluster;
/** Holds locks for as long as a test wants. */
let elsewhere: pg.Client;
beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 });
  elsewhere = new pg.Client({ connectionString: cluster.databaseUrl });
  await elsewhere.connect();
});
afterAll(async () => {
  await elsewhere?.end();
  await cluster?.stop();
});

it('Postgres: a statement whose caller was told 503 does not keep running', async () => {
  const user = await aUser(cluster);
  const { id } = await createConversation(cluster.node, user);
  await elsewhere.query('BEGIN');
  await elsewhere.query(LOCK, [id]);
  const body = { client_message_id: randomUUID(), content: 'Who is it?' };
  const url = `${cluster.node.url}/conversations/${id}/messages`;
  expect((await as(user, 'POST', url, { body })).status).toBe(503);
  const isQuiet = async (): Promise<boolean> => {
    const waiting = await cluster.sql(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'admit-one' AND wait_event_type = 'Lock'`,
    );
    return waiting.length === 0;
  };
  await eventually(isQuiet, 'the end of the statement, while the lock is still held');
  await elsewhere.query('ROLLBACK');
  expect((await as(user, 'POST', url, { body })).status).toBe(202);
});

it('Postgres: an answer that came while its node stood still is read', async () => {
  const user = await aUser(cluster);
  const { id } = await createConversation(cluster.node, user);
  await elsewhere.query('BEGIN');
  await elsewhere.query(LOCK, [id]);
  const renamed = as(user, 'PATCH', `${cluster.node.url}/conversations/${id}`, { body: { title: 'Later' } });
  const isWaiting = async (): Promise<boolean> => {
    const waiting = await elsewhere.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting.rows.length > 0;
  };
  await eventually(isWaiting, 'a statement that waits for the lock');
  cluster.node.signal('SIGSTOP');
  const asleepAt = Date.now();
  try {
    await elsewhere.query('ROLLBACK');
    // Longer than any statement may take.
    await eventually(() => Date.now() - asleepAt > 1800, 'a node that stands still');
  } finally {
    cluster.node.signal('SIGCONT');
  }
  expect((await renamed).status).toBe(200);
});

it('Postgres: a transaction that was left open loses its locks', async () => {
  const { id } = await createConversation(cluster.node, await aUser(cluster));
  const frozen = await createDataSource(cluster.databaseUrl).initialize();
  try {
    const runner = frozen.createQueryRunner();
    await runner.startTransaction();
    await runner.query(LOCK, [id]);
    await expect(elsewhere.query(LOCK, [id])).rejects.toThrow('could not obtain lock');
    const isFree = (): Promise<boolean> =>
      elsewhere.query(LOCK, [id]).then(
        () => true,
        () => false,
      );
    await eventually(isFree, 'the lock of a transaction in which nothing happens', 8000);
  } finally {
    await frozen.destroy();
  }
});

it('Postgres: callers wait for a connection as long as it answers others, at most 3 s', async () => {
  const dataSource = await createDataSource(cluster.databaseUrl).initialize();
  const call = (): Promise<unknown> => dataSource.query('SELECT pg_sleep(0.7)');
  try {
    const outcomes = await Promise.allSettled(Array.from({ length: 96 }, call));
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    // Two rounds of twelve begin within 1 s, five within 3 s; it takes eight to serve all.
    expect(outcomes.length - refused.length).toBeGreaterThan(24);
    expect(refused.length).toBeGreaterThan(0);
    for (const reason of refused) expect(String(reason)).toContain('timeout exceeded when trying to connect');
  } finally {
    await dataSource.destroy();
  }
});
