import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { expect } from '@jest/globals';
import pg from 'pg';
import { ensureDatabase } from '../../scripts/engines/postgres-database.js';
import { startPostgres } from '../../scripts/engines/postgres-server.js';
import { startRedisCluster } from '../../scripts/engines/redis-cluster.js';
import { startRedis } from '../../scripts/engines/redis-server.js';
import { currentRun, runLedger } from '../../scripts/testing/test-run.js';
import type { RedisForm } from '../../scripts/testing/test-run.js';
import { signalTree } from './process-tree.js';

/** A real Postgres or Redis that only one test file uses and may break. */
export interface PrivateEngine {
  readonly url: string;
  /** All its processes: SIGKILL for a crash, SIGSTOP and SIGCONT to freeze and thaw. */
  kill(signal: NodeJS.Signals): void;
  /** Starts it again after `stop` or a crash: same port, same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface EngineOptions {
  /** A Postgres process of its own instead of a database in the run's shared one: for files that break it. */
  privatePostgres?: boolean;
  /** Redis keeps its data when it restarts. */
  durableRedis?: boolean;
  /** Default: the form that the run was started with, which is one server or a cluster of three masters. */
  redisForm?: RedisForm;
}

export interface Engines {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redis: PrivateEngine;
  /** Present with `privatePostgres`. */
  readonly postgres: PrivateEngine | undefined;
  /** Runs a statement on the file's own database and returns its rows. */
  sql<Row extends pg.QueryResultRow>(statement: string, values?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

/** A database and a Redis that no other test file sees. */
export async function startEngines(options: EngineOptions = {}): Promise<Engines> {
  const postgres = options.privatePostgres === true ? await privatePostgres() : undefined;
  const serverUrl = postgres?.url ?? currentRun().postgresUrl;
  const databaseUrl = await ensureDatabase(serverUrl, `t_${randomBytes(6).toString('hex')}`);
  const redis = await privateRedis(options);
  return {
    databaseUrl,
    redisUrl: redis.url,
    redis,
    postgres,
    sql: (statement, values) => query(databaseUrl, statement, values),
    stop: async () => {
      await redis.stop();
      await postgres?.stop();
    },
  };
}

/** Where the processes of the running test file write their logs. */
export function logFile(name: string): string {
  return join(currentRun().folder, testFileName(), `${name}.log`);
}

async function privateRedis(options: EngineOptions): Promise<PrivateEngine> {
  const { redisForm = currentRun().redisForm, durableRedis = false } = options;
  const settings = { ...redisSettings(), durable: durableRedis };
  if (redisForm === 'cluster') return startRedisCluster(settings);
  return restartable((port) => startRedis({ ...settings, port }));
}

/** Settings of the servers of a test file's Redis. */
export function redisSettings() {
  const { data, folder, redis: program } = currentRun();
  const own = join(data, `redis-${randomBytes(4).toString('hex')}`);
  return { program, folder: own, logFile: logFile('redis'), ledger: runLedger(folder) };
}

async function privatePostgres(): Promise<PrivateEngine> {
  const { data, folder, postgres: binaries } = currentRun();
  const settings = {
    binaries,
    folder: join(data, `postgres-${randomBytes(4).toString('hex')}`),
    password: randomBytes(12).toString('hex'),
    logFile: logFile('postgres'),
    ledger: runLedger(folder),
    durable: false,
  };
  return restartable(async (port) => {
    const postgres = await startPostgres({ ...settings, port });
    return { ...postgres, kill: (signal) => signalTree(postgres.pid, signal) };
  });
}

interface Running {
  readonly url: string;
  readonly port: number;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

async function restartable(start: (port?: number) => Promise<Running>): Promise<PrivateEngine> {
  let running = await start();
  return {
    url: running.url,
    kill: (signal) => running.kill(signal),
    restart: async () => {
      await running.stop();
      running = await start(running.port);
    },
    stop: () => running.stop(),
  };
}

async function query<Row extends pg.QueryResultRow>(
  databaseUrl: string,
  statement: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query<Row>(statement, values)).rows;
  } finally {
    await client.end();
  }
}

function testFileName(): string {
  const path = expect.getState().testPath ?? 'no-test-file';
  return basename(path).replace(/\.[a-z0-9]+-spec\.tsx?$/, '');
}
