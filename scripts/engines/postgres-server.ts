import { spawnSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { ChildOptions } from '../child-process.js';
import { LaunchError } from '../launch-error.js';
import { type EngineProcess, startEngine } from './engine-process.js';
import { dataOwner, postgresAccount } from './postgres-account.js';
import type { PostgresAccount } from './postgres-account.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import type { ProcessLedger } from '../process-ledger.js';

export interface PostgresOptions {
  binaries: PostgresBinaries;
  /** Created when absent; the data go into a subfolder per major version. */
  folder: string;
  password: string;
  logFile: string;
  ledger: ProcessLedger;
  /** Without it nothing is flushed to disk: fine for tests, which kill processes but have no power cuts. */
  durable: boolean;
  /** A free port when absent; a restart needs the same one. */
  port?: number;
}

const USER = 'admit_one';
const INITDB_LIMIT_MS = 60_000;

export async function startPostgres(options: PostgresOptions): Promise<EngineProcess> {
  const { binaries, folder, password } = options;
  const data = join(folder, `postgres-${binaries.major}`);
  const isNew = !existsSync(join(data, 'PG_VERSION'));
  mkdirSync(folder, { recursive: true });
  mkdirSync(data, { recursive: true, mode: 0o700 });
  mkdirSync(dirname(options.logFile), { recursive: true });
  const owner = dataOwner();
  if (owner !== undefined) chownSync(data, owner, owner);
  const account = postgresAccount(binaries.folder, data);
  if (isNew) initialise(options, account, data);

  return startEngine({
    name: 'Postgres',
    logFile: options.logFile,
    port: options.port,
    command: (port) => command(options, account, data, port),
    urlAt: (port) => `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`,
    failureOf: connectionFailure,
  });
}

function initialise(options: PostgresOptions, account: PostgresAccount, data: string): void {
  const passwordFile = `${data}.password`;
  writeFileSync(passwordFile, options.password, { mode: 0o600 });
  if (account.owner !== undefined) chownSync(passwordFile, account.owner, account.owner);
  const [program = '', ...args] = [
    ...account.prefix,
    join(options.binaries.folder, 'initdb'),
    `--pgdata=${data}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    ...(options.durable ? [] : ['--no-sync']),
  ];
  const { uid, gid } = account;
  const run = spawnSync(program, args, { uid, gid, cwd: '/', encoding: 'utf8', timeout: INITDB_LIMIT_MS });
  rmSync(passwordFile, { force: true });
  appendFileSync(options.logFile, `${run.stdout ?? ''}${run.stderr ?? ''}`, { mode: 0o600 });
  if (run.status === 0) return;
  // A half-created data folder would be taken for a complete one at the next start.
  rmSync(data, { recursive: true, force: true });
  throw new LaunchError(`initdb failed: ${run.error?.message ?? run.stderr.trim()}`);
}

function command(
  options: PostgresOptions,
  account: PostgresAccount,
  data: string,
  port: number,
): ChildOptions {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    // The default socket folder exists on Debian only, and we may not write to it.
    unix_socket_directories: '',
    max_connections: '200',
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const [program = '', ...args] = [
    ...account.prefix,
    join(options.binaries.folder, 'postgres'),
    '-D',
    data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const { logFile, ledger } = options;
  const { uid, gid } = account;
  // Not our own folder: the other uid may not be able to enter it, and initdb and postgres both call getcwd.
  const cwd = '/';
  const stopSignal = 'SIGINT' as const;
  return {
    name: 'postgres',
    command: program,
    args,
    env: process.env,
    logFile,
    ledger,
    stopSignal,
    cwd,
    uid,
    gid,
  };
}

/** Why a database cannot be reached; undefined when it can. */
export async function connectionFailure(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // A server that stops later would otherwise end our process with an unhandled event.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    return error instanceof Error && error.message !== '' ? error.message : String(error);
  }
}
