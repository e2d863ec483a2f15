import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { PROJECT_ROOT } from '../scripts/project.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import { aUser, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

interface Verdict {
  code: number;
  line: string;
}

describe('the audit log', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
  });

  afterAll(() => cluster.stop());

  const verify = () =>
    new Promise<Verdict>((resolve) => {
      const script = join(PROJECT_ROOT, 'dist', 'scripts', 'operations', 'audit-verify.js');
      const env = { ...process.env, DATABASE_URL: cluster.databaseUrl };
      execFile(process.execPath, [script], { env, timeout: 20_000 }, (error, output) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, line: output.trim() });
      });
    });

  const countOf = async (event: string, userId: string): Promise<number> => {
    const where = 'WHERE event = $1 AND user_id = $2';
    const rows = await cluster.sql<{ n: string }>(`SELECT count(*) AS n FROM audit_log ${where}`, [
      event,
      userId,
    ]);
    return Number(rows[0]?.n);
  };

  const written = (event: string, owner: TestUser, count: number) =>
    eventually(async () => (await countOf(event, owner.user.id)) === count, `${count} rows of ${event}`);

  const lastId = async (): Promise<number> =>
    Number((await cluster.sql<{ id: string }>('SELECT max(id) AS id FROM audit_log'))[0]?.id);

  /** Changes the table as only its owner can, returns the verdict, and restores everything. */
  async function tampered(statements: string[]): Promise<Verdict> {
    await cluster.sql('CREATE TABLE kept AS SELECT * FROM audit_log');
    await cluster.sql('ALTER TABLE audit_log DISABLE TRIGGER USER');
    await cluster.sql('ALTER TABLE audit_log DROP CONSTRAINT IF EXISTS audit_log_id_check');
    try {
      for (const statement of statements) await cluster.sql(statement);
      return await verify();
    } finally {
      await cluster.sql('DELETE FROM audit_anchor');
      await cluster.sql('DELETE FROM audit_log');
      await cluster.sql('INSERT INTO audit_log SELECT * FROM kept');
      await cluster.sql('ALTER TABLE audit_log ENABLE TRIGGER USER');
      await cluster.sql('DROP TABLE kept');
      expect((await verify()).code).toBe(0);
    }
  }

  it('is one chain while two nodes write at once', async () => {
    const owner = await aUser(cluster);
    const minted = Array.from({ length: 120 }, (_, index) =>
      mintTicket(index % 2 === 0 ? cluster.node : cluster.other, owner),
    );
    await Promise.all(minted);
    await written('ticket.issued', owner, 120);
    const nodes = await cluster.sql<{ node: string }>(
      "SELECT DISTINCT node FROM audit_log WHERE event = 'ticket.issued' AND user_id = $1",
      [owner.user.id],
    );
    expect(nodes).toHaveLength(2);
    const rows = await lastId();
    expect(await verify()).toEqual({
      code: 0,
      line: expect.stringContaining(`ok, ${rows} rows, none removed by retention, newest ${rows} with hash `),
    });
  });

  it('refuses to be updated, shortened or emptied', async () => {
    for (const statement of [
      "UPDATE audit_log SET event = 'x'",
      'DELETE FROM audit_log WHERE id = 1',
      'TRUNCATE audit_log',
    ]) {
      await expect(cluster.sql(statement)).rejects.toThrow('audit_log only grows');
    }
  });

  const another = (id: string, prevHash: string) =>
    `INSERT INTO audit_log SELECT ${id}, at, event, user_id, node, fields, ${prevHash}, repeat('a', 64) FROM audit_log WHERE id = 1`;

  it.each<[string, string[], (last: number) => string]>([
    ['an altered event', ["UPDATE audit_log SET event = 'x' WHERE id = 5"], () => 'row 5 was altered'],
    [
      'altered fields',
      [`UPDATE audit_log SET fields = fields || '{"x":1}' WHERE id = 5`],
      () => 'row 5 was altered',
    ],
    [
      'an altered time',
      ["UPDATE audit_log SET at = at - interval '1 ms' WHERE id = 5"],
      () => 'row 5 was altered',
    ],
    ['an altered user', ['UPDATE audit_log SET user_id = NULL WHERE id = 5'], () => 'row 5 was altered'],
    ['an altered node', ["UPDATE audit_log SET node = 'x' WHERE id = 5"], () => 'row 5 was altered'],
    [
      'an altered hash',
      ["UPDATE audit_log SET hash = repeat('a', 64) WHERE id = 5"],
      () => 'row 5 was altered',
    ],
    ['a removed row', ['DELETE FROM audit_log WHERE id = 5'], () => 'row 5 was removed'],
    ['a removed beginning', ['DELETE FROM audit_log WHERE id < 5'], () => 'row 1 was removed'],
    [
      'a removed end',
      ['DELETE FROM audit_log WHERE id = (SELECT max(id) FROM audit_log)'],
      (last) => `row ${last} was removed`,
    ],
    [
      'a removed beginning that looks like retention',
      [
        'INSERT INTO audit_anchor SELECT id, hash, now() FROM audit_log WHERE id = 5',
        'DELETE FROM audit_log WHERE id <= 5',
      ],
      () => 'row 5 was removed',
    ],
    [
      'a removed row whose gap was closed',
      [
        'DELETE FROM audit_log WHERE id = 5',
        'UPDATE audit_log SET id = -id WHERE id > 5',
        'UPDATE audit_log SET id = -id - 1 WHERE id < 0',
      ],
      () => 'row 5 was removed',
    ],
    ['a row before the first', [another('-1', "'x'")], () => 'row -1 was inserted'],
    [
      'a row after the last',
      [another('(SELECT max(id) + 1 FROM audit_log)', '(SELECT hash FROM audit_head)')],
      (last) => `row ${last + 1} was inserted`,
    ],
    [
      'a row for which others were renumbered',
      [
        'UPDATE audit_log SET id = -id WHERE id >= 5',
        'UPDATE audit_log SET id = -id + 1 WHERE id < 0',
        another('5', "'x'"),
      ],
      () => 'row 5 was inserted',
    ],
  ])('names %s', async (_what, statements, expected) => {
    const last = await lastId();
    expect(await tampered(statements)).toEqual({ code: 1, line: expect.stringContaining(expected(last)) });
  });

  it('delays no ticket while Postgres cannot write rows', async () => {
    const owner = await aUser(cluster);
    const client = new pg.Client({ connectionString: cluster.databaseUrl });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query('LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE');
      for (let count = 0; count < 20; count++) {
        const start = performance.now();
        await mintTicket(cluster.node, owner);
        expect(performance.now() - start).toBeLessThan(500);
      }
      await eventually(() => cluster.node.logged('audit.delayed').length > 0, 'a late batch');
      expect(await metric(cluster.node, 'chat_breaker_state', { dependency: 'postgres' })).toBe(0);
    } finally {
      await client.query('ROLLBACK');
      await client.end();
    }
    await written('ticket.issued', owner, 20);
    expect((await verify()).code).toBe(0);
  });
});
