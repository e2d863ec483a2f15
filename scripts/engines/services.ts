import { LaunchError } from '../launch-error.js';
import { findPostgres } from './postgres-binaries.js';
import { ensureDatabase } from './postgres-database.js';
import { connectionFailure, startPostgres } from './postgres-server.js';
import type { ProcessLedger } from '../process-ledger.js';
import { findRedis } from './redis-binaries.js';
import { redisFailure } from './redis-probe.js';
import { startRedis } from './redis-server.js';
import type { StateFolder } from '../state-folder.js';

/** A Postgres or Redis to use: an existing one, or one that we started, which has a pid and ends with us. */
export interface Service {
  url: string;
  pid?: number;
  /** Ends the engine when we started it; does nothing to an existing one. */
  stop(): Promise<void>;
}

const DATABASE = 'admit_one';

/** The Postgres of `DATABASE_URL`, or our own in the state folder. */
export async function providePostgres(state: StateFolder, ledger: ProcessLedger): Promise<Service> {
  const given = process.env.DATABASE_URL;
  if (given !== undefined && given !== '') {
    await useGiven('DATABASE_URL', 'Postgres', given, connectionFailure);
    return { url: given, stop: nothing };
  }
  const postgres = await startPostgres({
    binaries: findPostgres(),
    folder: state.in('postgres'),
    password: state.secret('postgres.secret'),
    logFile: state.in('logs', 'postgres.log'),
    ledger,
    durable: true,
  });
  return {
    url: await ensureDatabase(postgres.url, DATABASE),
    pid: postgres.pid,
    stop: () => postgres.stop(),
  };
}

/** The Redis of `REDIS_URL`, or our own in the state folder. */
export async function provideRedis(state: StateFolder, ledger: ProcessLedger): Promise<Service> {
  const given = process.env.REDIS_URL;
  if (given !== undefined && given !== '') {
    await useGiven('REDIS_URL', 'Redis', given, redisFailure);
    return { url: given, stop: nothing };
  }
  const redis = await startRedis({
    program: findRedis(state),
    folder: state.in('redis-data'),
    logFile: state.in('logs', 'redis.log'),
    ledger,
    durable: true,
  });
  return { url: redis.url, pid: redis.pid, stop: () => redis.stop() };
}

async function useGiven(
  variable: string,
  engine: string,
  url: string,
  failureOf: (url: string) => Promise<string | undefined>,
): Promise<void> {
  const failure = await failureOf(url);
  if (failure === undefined) return;
  // Never the URL itself: it may hold a password.
  throw new LaunchError(
    `The ${engine} of ${variable} does not answer (${failure}): start it, correct ${variable}, or unset it to get a private one.`,
  );
}

async function nothing(): Promise<void> {
  // An existing engine is not ours to end.
}
