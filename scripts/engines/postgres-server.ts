import { spawnSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { logTail, startChild } from '../child-process.js';
import type { Child } from '../child-process.js';
import { freePort } from '../free-port.js';
import { LaunchError } from '../launch-error.js';
import { dataOwner, postgresAccount } from './postgres-account.js';
import type { PostgresAccount } from './postgres-account.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import type { ProcessLedger } from '../process-ledger.js';

export interface PostgresOptions {
  binaries: PostgresBinaries;
  /** Made when absent; the data go into a folder of their own inside, one per major version. */
  folder: string;
  password: string;
  logFile: string;
  ledger: ProcessLedger;
  /** Without it nothing is flushed to disk: right for tests, which fear a killed process but no power cut. */
  durable: boolean;
  /** A free one when absent; a restart needs the same again. */
  port?: number;
}

export interface Postgres {
  /** Of the `postgres` database; others are `databaseUrl(url, name)`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Fast shutdown: clients are cut, nothing is lost. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const USER = 'admit_one';
const READY_LIMIT_MS = 60_000;
const PORT_ATTEMPTS = 3;

export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
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

  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const child = await startChild(command(options, account, data, port));
    const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
    if (await answers(url, child)) {
      return { url, port, pid: child.pid, stop: () => stop(child), kill: (signal) => child.kill(signal) };
    }
    const reason = logTail(child);
    if (!reason.includes('in use') || options.port !== undefined || attempt === PORT_ATTEMPTS) {
      throw new LaunchError(
        `Postgres ended while starting; its log ${options.logFile} ends with:\n${reason}`,
      );
    }
  }
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
  const run = spawnSync(program, args, { uid, gid, cwd: '/', encoding: 'utf8', timeout: READY_LIMIT_MS });
  rmSync(passwordFile, { force: true });
  appendFileSync(options.logFile, `${run.stdout ?? ''}${run.stderr ?? ''}`, { mode: 0o600 });
  if (run.status === 0) return;
  // A half-made data folder would be taken for a whole one at the next start.
  rmSync(data, { recursive: true, force: true });
  throw new LaunchError(`initdb failed: ${run.error?.message ?? run.stderr.trim()}`);
}

function command(options: PostgresOptions, account: PostgresAccount, data: string, port: number) {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    // The default socket folder exists on Debian only, and is not ours.
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
  // Not our folder: the other uid may not be able to enter it, and initdb and postgres both ask where they are.
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

/** True once it takes connections, false when it has ended instead. */
async function answers(url: string, child: Child): Promise<boolean> {
  const deadline = Date.now() + READY_LIMIT_MS;
  while (child.exit === undefined) {
    const failure = await connectionFailure(url);
    if (failure === undefined) return true;
    if (Date.now() > deadline) {
      await child.stop();
      throw new LaunchError(`Postgres did not answer within ${READY_LIMIT_MS / 1000} s: ${failure}`);
    }
    await wait(20);
  }
  return false;
}

/** Why a database cannot be reached; undefined when it can. */
export async function connectionFailure(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // A server that goes away later would otherwise end our process with an unhandled event.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    return error instanceof Error && error.message !== '' ? error.message : String(error);
  }
}

async function stop(child: Child): Promise<void> {
  await child.stop();
}
