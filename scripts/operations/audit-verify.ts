import pg from 'pg';
import { ChainCheck, type ChainFault } from '../../src/audit/audit-chain-check.js';
import { type ChainedRow, type ChainLink, GENESIS } from '../../src/audit/audit-chain.js';
import { setSession } from '../../src/database/postgres-session.js';
import { explain, LaunchError, say } from '../launch-error.js';

const ROWS_PER_PAGE = 1000;

interface Verdict {
  rows: number;
  start: ChainLink;
  head: ChainLink;
  fault: ChainFault | undefined;
}

/** Verifies the audit log of `DATABASE_URL` from its beginning to its head. Exit code 0 when it was not changed. */
async function verifyAudit(): Promise<number> {
  const connectionString = process.env.DATABASE_URL;
  if (connectionString === undefined || connectionString === '')
    throw new LaunchError('Set DATABASE_URL to the database whose audit log is to be verified.');
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5000 });
  await client.connect();
  await setSession(client, { statementTimeoutMs: 0 });
  try {
    return report(await verdictOf(client));
  } finally {
    await client.end();
  }
}

function report({ rows, start, head, fault }: Verdict): number {
  if (fault !== undefined) {
    say(`audit log: row ${fault.id} was ${fault.kind}; ${rows} rows before it were followed`);
    return 1;
  }
  const removed = start.id === 0 ? 'none removed by retention' : `1 to ${start.id} removed by retention`;
  say(`audit log: ok, ${rows} rows, ${removed}, newest ${head.id} with hash ${head.hash}`);
  return 0;
}

async function verdictOf(client: pg.Client): Promise<Verdict> {
  // One snapshot: nodes keep writing while we read.
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const start =
    (await linkOf(client, 'SELECT upto AS id, hash FROM audit_anchor ORDER BY upto DESC')) ?? GENESIS;
  const head = await linkOf(client, 'SELECT id, hash FROM audit_head');
  if (head === undefined)
    return { rows: 0, start, head: GENESIS, fault: { kind: 'removed', id: start.id + 1 } };
  const check = new ChainCheck(start, head);
  let rows = 0;
  let hasPruning = start.id === 0;
  let row: ChainedRow | undefined;
  const take = (next: ChainedRow | undefined): ChainFault | undefined => {
    if (row === undefined) return undefined;
    const fault = check.take(row, next);
    if (fault === undefined) rows += 1;
    hasPruning ||= isPruningTo(row, start);
    return fault;
  };
  for await (const next of rowsOf(client)) {
    const fault = take(next);
    if (fault !== undefined) return { rows, start, head, fault };
    row = next;
  }
  // An anchor without a row in the chain that records it was added by somebody who removed rows by hand.
  const fault =
    take(undefined) ?? check.end() ?? (hasPruning ? undefined : { kind: 'removed', id: start.id });
  return { rows, start, head, fault };
}

async function* rowsOf(client: pg.Client): AsyncGenerator<ChainedRow> {
  let after = '-9223372036854775808';
  for (;;) {
    const { rows } = await client.query<Omit<ChainedRow, 'id'> & { id: string }>(
      'SELECT * FROM audit_log WHERE id > $1 ORDER BY id LIMIT $2',
      [after, ROWS_PER_PAGE],
    );
    for (const row of rows) yield { ...row, id: Number(row.id) };
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}

async function linkOf(client: pg.Client, statement: string): Promise<ChainLink | undefined> {
  const { rows } = await client.query<{ id: string; hash: string }>(`${statement} LIMIT 1`);
  return rows[0] === undefined ? undefined : { id: Number(rows[0].id), hash: rows[0].hash };
}

function isPruningTo({ event, fields }: ChainedRow, { id, hash }: ChainLink): boolean {
  return event === 'audit.pruned' && fields.upto === id && fields.hash === hash;
}

try {
  process.exitCode = await verifyAudit();
} catch (error) {
  say(explain(error));
  process.exitCode = 1;
}
