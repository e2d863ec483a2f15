import { QueryFailedError } from 'typeorm';

/** What a refusal of Postgres means to this server. */
export interface SqlStateMeaning {
  /** `server`: no caller is served until it ends, so it counts for the breaker. `command`: only those of one statement are not. */
  scope: 'server' | 'command';
  /** True when the same statement or transaction may succeed at once. */
  isRepeatable?: true;
  /** What only an operator can do about it; absent when it ends by itself. */
  advice?: string;
}

const RAISE_CONNECTIONS =
  'it has no connection left for this node: end programs that hold some, or raise max_connections (12 for each node, and 3 to spare)';
const SCHEMA =
  'a table or column is missing: let one node of this version start, which creates them, and see the search_path of the role';
const DATA_DAMAGED = 'its files are damaged: see its log, and restore the database from a backup';
const SYSTEM = 'its machine fails it: see its log, its disk and its memory';

/**
 * Every SQLSTATE that is not a fault of this server, by the code or by its class, the first two characters. All others
 * are faults of ours and become `internal`. The same table is in docs/operations.md, the codes at
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const SQLSTATE_MEANINGS: Readonly<Record<string, SqlStateMeaning>> = {
  '08': { scope: 'server' },
  '08P01': { scope: 'server', advice: 'a pooler in between refuses what this server sends: see its log' },
  '25006': {
    scope: 'server',
    advice:
      'it is read-only, as a standby is: let DATABASE_URL lead to the primary, and see default_transaction_read_only',
  },
  '25P03': { scope: 'command' },
  '25P04': { scope: 'command' },
  '28': {
    scope: 'server',
    advice: 'it does not let this server in: see user and password in DATABASE_URL, and pg_hba.conf',
  },
  '3D': { scope: 'server', advice: 'the database in DATABASE_URL does not exist: create it' },
  '3F': { scope: 'command', advice: SCHEMA },
  '40001': { scope: 'command', isRepeatable: true },
  '40P01': { scope: 'command', isRepeatable: true },
  '42501': {
    scope: 'command',
    advice: 'the role in DATABASE_URL lacks a privilege: grant it those of the owner of the tables',
  },
  '42P01': { scope: 'command', advice: SCHEMA },
  '42703': { scope: 'command', advice: SCHEMA },
  '53': { scope: 'server', advice: SYSTEM },
  '53100': { scope: 'server', advice: 'its disk is full: make room' },
  '53200': { scope: 'server', advice: 'it has no memory left: see its log and work_mem' },
  '53300': { scope: 'server', advice: RAISE_CONNECTIONS },
  '55': { scope: 'command', advice: 'the database takes no connection or statement for now: see its log' },
  '55P03': { scope: 'command' },
  '57': { scope: 'server' },
  '58': { scope: 'server', advice: SYSTEM },
  XX: { scope: 'command', advice: 'it reports a fault of its own: see its log' },
  XX001: { scope: 'command', advice: DATA_DAMAGED },
  XX002: { scope: 'command', advice: 'an index is damaged: see its log, and REINDEX it' },
};

/** 54000 is a value that is too long, a fault of ours, or this. */
const WRAPAROUND: SqlStateMeaning = {
  scope: 'server',
  advice:
    'it takes no more transactions until old ones are vacuumed: see its log (VACUUM, transaction ID wraparound)',
};

/** The SQLSTATE of an error; undefined when Postgres did not answer: the socket broke or the time limit passed. */
export function sqlStateOf(error: unknown): string | undefined {
  const failure: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (typeof failure !== 'object' || failure === null || !('code' in failure)) return undefined;
  const { code } = failure;
  // No class begins with E, but errors of the system do: EPIPE.
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The meaning of a refusal; undefined when it is a fault of this server. */
export function meaningOf(sqlState: string, message: string): SqlStateMeaning | undefined {
  if (sqlState === '54000' && message.includes('not accepting commands')) return WRAPAROUND;
  return SQLSTATE_MEANINGS[sqlState] ?? SQLSTATE_MEANINGS[sqlState.slice(0, 2)];
}
