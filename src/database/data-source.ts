import type { Client } from 'pg';
import { DataSource } from 'typeorm';
import { CreateUsers1763800000000 } from '../../migrations/1763800000000-create-users.js';
import { CreateConversations1763800100000 } from '../../migrations/1763800100000-create-conversations.js';
import { ChainAuditLog1763800300000 } from '../../migrations/1763800300000-chain-audit-log.js';
import { LimitRunsPerUser1763800500000 } from '../../migrations/1763800500000-limit-runs-per-user.js';
import { LightenRunIndexes1763800600000 } from '../../migrations/1763800600000-lighten-run-indexes.js';
import { prepareSession } from './postgres-session.js';
import { TimedClient } from './timed-client.js';
import { TimedPool } from './timed-pool.js';

/** All nodes may start at once: the first to take this lock migrates; the others wait and find nothing to do. */
const MIGRATION_LOCK = 4_720_115;

/** Postgres cancels a statement before its caller gives up; otherwise abandoned statements would pile up. */
const STATEMENT_TIMEOUT_MS = 1100;
const REQUEST_LIMITS: Limits = { client: { Client: TimedClient }, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
/** A migration may rewrite a table. */
const MIGRATION_LIMITS: Limits = { client: { query_timeout: 120_000 }, statementTimeoutMs: 0 };

/** What limits the time of a statement: options of the client, and what Postgres does by itself. */
interface Limits {
  client: object;
  statementTimeoutMs: number;
}

/** A class into which TypeORM reads the rows of a table. */
export type EntityClass = new () => object;

/** @param entities the classes of the rows that are read through repositories; plain SQL needs none of them */
export function createDataSource(
  databaseUrl: string,
  entities: readonly EntityClass[] = [],
  { client, statementTimeoutMs } = REQUEST_LIMITS,
): DataSource {
  return new DataSource({
    type: 'postgres',
    url: databaseUrl,
    entities: [...entities],
    migrations: [
      CreateUsers1763800000000,
      CreateConversations1763800100000,
      ChainAuditLog1763800300000,
      LimitRunsPerUser1763800500000,
      LightenRunIndexes1763800600000,
    ],
    applicationName: 'admit-one',
    // TypeORM logs plain text on standard output, which is for JSON lines; failures are thrown as well.
    logging: false,
    driver: { Pool: TimedPool },
    poolSize: 12,
    extra: {
      ...client,
      keepAlive: true,
      onConnect: (client: Client) => prepareSession(client, { statementTimeoutMs }),
    },
  });
}

/** Brings the schema up to date, under a lock and without the time limit that requests have. */
export async function migrate(databaseUrl: string): Promise<void> {
  const dataSource = await createDataSource(databaseUrl, [], MIGRATION_LIMITS).initialize();
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await dataSource.runMigrations({ transaction: 'each' });
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await runner.release();
    await dataSource.destroy();
  }
}
