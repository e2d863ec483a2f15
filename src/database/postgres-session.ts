import type { Client, QueryResult } from 'pg';
import { sqlStateOf } from './sqlstate.js';

/** Longest time for one statement before Postgres cancels it; none while the schema is migrated. */
export interface SessionLimits {
  statementTimeoutMs: number;
}

/** A node that freezes or is cut off within a transaction holds its locks no longer than this. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5000;

/**
 * What this server relies on, whatever the server, the database or the role is set to. A setting that a version of
 * Postgres does not have is left out.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  array_nulls: 'on',
  transform_null_equals: 'off',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_session_timeout: '0',
  idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_TIMEOUT_MS),
};

const SET = `
  SELECT pg_catalog.set_config(name, value, false) FROM (VALUES
    ${Object.entries(SETTINGS)
      .map(([name, value]) => `('${name}', '${value}')`)
      .join(', ')}
  ) AS wanted (name, value) WHERE pg_catalog.current_setting(name, true) IS NOT NULL`;

/** Acknowledged means on disk: a database or role that is set not to wait for that would lose messages in a crash. */
const WAIT_FOR_DISK = `
  SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
  WHERE pg_catalog.current_setting('synchronous_commit') = 'off'`;

const ASK = `
  SELECT pg_catalog.current_setting('server_version_num')::int AS version,
    pg_catalog.current_setting('server_encoding') AS encoding,
    pg_catalog.current_setting('transaction_read_only') AS read_only,
    pg_catalog.pg_is_in_recovery() AS is_standby,
    pg_catalog.current_schema() AS schema`;

interface Facts {
  version: number;
  encoding: string;
  read_only: 'on' | 'off';
  is_standby: boolean;
  schema: string | null;
}

const OLDEST_VERSION = 14;

const QUERY_CANCELED = '57014';
const MAX_TRIES = 5;

/** A database that this server cannot use as it is. */
export class UnusableDatabaseError extends Error {
  override readonly name = 'UnusableDatabaseError';

  /** @param code the SQLSTATE that Postgres itself would give, or a word of ours */
  constructor(
    readonly code: '25006' | 'encoding' | 'version' | 'schema',
    message: string,
  ) {
    super(`DATABASE_URL: ${message}`);
  }
}

/** SQLSTATEs after which the session may lead to a server that another one has replaced. */
const SPOILED = /^(08|25006|57P)/;

/**
 * Prepares a new connection of the pool: sets what this server relies on, and ends the connection after a reply which says
 * that it leads to the wrong server.
 * @throws {UnusableDatabaseError}
 */
export async function prepareSession(client: Client, limits: SessionLimits): Promise<void> {
  // A read-only session stays read-only when its database is writable again.
  client.connection.on('errorMessage', ({ code }: { code?: string }) => {
    if (code !== undefined && SPOILED.test(code)) client.end(ignore);
  });
  requireUsable(await setSession(client, limits));
}

/** Sets what this server relies on: with `SET`, because poolers refuse most options at the start of a connection. */
export async function setSession(client: Client, { statementTimeoutMs }: SessionLimits): Promise<Facts> {
  await limitStatements(client, statementTimeoutMs);
  // One message for all of them.
  const results = (await client.query(`${SET}; ${WAIT_FOR_DISK}; ${ASK}`)) as unknown as QueryResult<Facts>[];
  const facts = results.at(-1)?.rows[0];
  if (facts === undefined) throw new Error('PostgreSQL said nothing of itself');
  return facts;
}

/** Before anything else, because the time limit of the database may be too short for it; even for this, once in a while. */
async function limitStatements(client: Client, timeoutMs: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await client.query(`SET statement_timeout = ${timeoutMs}`);
      return;
    } catch (error) {
      if (tries === MAX_TRIES || sqlStateOf(error) !== QUERY_CANCELED) throw error;
    }
  }
}

function requireUsable({ version, encoding, read_only, is_standby, schema }: Facts): void {
  if (version < OLDEST_VERSION * 10_000)
    throw new UnusableDatabaseError(
      'version',
      `expected PostgreSQL ${OLDEST_VERSION} or later, got ${Math.floor(version / 10_000)}`,
    );
  if (encoding !== 'UTF8')
    throw new UnusableDatabaseError(
      'encoding',
      `expected a database with the encoding UTF8, got ${encoding}: create one with ENCODING 'UTF8' TEMPLATE template0`,
    );
  if (schema === null)
    throw new UnusableDatabaseError(
      'schema',
      'expected a search_path with a schema that exists, got none: see ALTER ROLE and ALTER DATABASE ... SET search_path',
    );
  if (read_only === 'on') throw readOnly(is_standby);
}

export function readOnly(isStandby: boolean): UnusableDatabaseError {
  const what = isStandby ? 'a standby' : 'default_transaction_read_only';
  return new UnusableDatabaseError(
    '25006',
    `expected a database that can be written to, got a read-only one (${what})`,
  );
}

/** The pool drops a connection that has ended. */
function ignore(): void {
  return;
}
