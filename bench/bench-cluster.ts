import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { findPostgres } from '../scripts/engines/postgres-binaries.js';
import { ensureDatabase } from '../scripts/engines/postgres-database.js';
import { startPostgres } from '../scripts/engines/postgres-server.js';
import { findRedis } from '../scripts/engines/redis-binaries.js';
import { startRedis } from '../scripts/engines/redis-server.js';
import { type ServerProcess, startServer } from '../scripts/server-process.js';
import { TcpProxy } from '../scripts/network/tcp-proxy.js';
import { hashPassword } from '../src/auth/password.js';
import type { BenchFolder } from './bench-program.js';

/** Our own engines, and the settings for nodes that use them. */
export interface BenchEngines {
  readonly settings: Record<string, string>;
  readonly databaseUrl: string;
  /** Direct, without the proxy. */
  readonly redisUrl: string;
  /** Proxy between every node and Redis. */
  readonly redisProxy: TcpProxy;
}

/** Shared by all accounts of a program: hashing costs more than the rest of a sign-in. */
export const PASSWORD = randomBytes(12).toString('base64url');

/** High limits: here all clients have the same address. */
const UNLIMITED = {
  LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: '1000000',
  LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: '1000000',
  LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: '1000000',
  LIMIT_TICKETS_PER_USER_PER_MINUTE: '1000000',
};

export async function startEngines({ state, path, ledger }: BenchFolder): Promise<BenchEngines> {
  const postgres = await startPostgres({
    binaries: findPostgres(),
    folder: join(path, 'postgres'),
    password: randomBytes(12).toString('hex'),
    logFile: join(path, 'postgres.log'),
    ledger,
    durable: false,
  });
  const databaseUrl = await ensureDatabase(postgres.url, 'bench');
  const redis = await startRedis({
    program: findRedis(state),
    folder: join(path, 'redis'),
    logFile: join(path, 'redis.log'),
    ledger,
    durable: false,
  });
  const redisProxy = await TcpProxy.start(redis.port);
  const settings = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: `redis://127.0.0.1:${redisProxy.port}`,
    JWT_SECRET: randomBytes(32).toString('hex'),
    ...UNLIMITED,
  };
  return { settings, databaseUrl, redisUrl: redis.url, redisProxy };
}

/** Starts nodes one after the other, because the first one migrates. Returns their ports. */
export async function startNodes(
  folder: BenchFolder,
  engines: BenchEngines,
  count: number,
  more: Record<string, string>,
): Promise<number[]> {
  const settings = Array.from({ length: count }, () => more);
  return (await startServers(folder, engines, settings)).map(({ port }) => port);
}

/**
 * The same, but returns the processes.
 * @param settings additional settings of each node
 * @param nodeArgs arguments of Node itself
 */
export async function startServers(
  { path, ledger }: BenchFolder,
  engines: BenchEngines,
  settings: readonly Record<string, string>[],
  nodeArgs: string[] = [],
): Promise<ServerProcess[]> {
  const { PATH = '', HOME = '/' } = process.env;
  const servers: ServerProcess[] = [];
  for (const [index, more] of settings.entries()) {
    const name = `node-${index + 1}`;
    const env = { PATH, HOME, PORT: '0', DRAIN_SECONDS: '0', ...engines.settings, ...more };
    servers.push(await startServer({ name, env, nodeArgs, logFile: join(path, `${name}.log`), ledger }));
  }
  return servers;
}

/**
 * Creates accounts with `PASSWORD`. Returns their e-mail addresses.
 * @param passwordHash of `PASSWORD`; by default one that takes as long to check as those of real accounts
 */
export async function createAccounts(
  { databaseUrl }: Pick<BenchEngines, 'databaseUrl'>,
  count: number,
  passwordHash?: string,
): Promise<string[]> {
  const hash = passwordHash ?? (await hashPassword(PASSWORD));
  const emails = Array.from({ length: count }, (_, index) => `bench-${index}@example.test`);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO users (id, email, display_name, role, password_hash)
       SELECT gen_random_uuid(), email, email, 'user', $2 FROM unnest($1::text[]) AS email`,
      [emails, hash],
    );
  } finally {
    await client.end();
  }
  return emails;
}
