import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis as Client } from 'ioredis';
import type { EngineProcess } from '../../scripts/engines/engine-process.js';
import { freePort } from '../../scripts/free-port.js';
import { startRedisCluster } from '../../scripts/engines/redis-cluster.js';
import { startRedisSentinel } from '../../scripts/engines/redis-sentinel.js';
import { startRedis } from '../../scripts/engines/redis-server.js';
import { currentRun } from '../../scripts/testing/test-run.js';
import { redisSettings } from './engines.js';
import { rememberSecret } from './secrets.js';
import { eventually } from './waiting.js';

/** The settings with which a node reaches a Redis: its address, and other variables that it needs. */
export interface Way {
  REDIS_URL: string;
  NODE_EXTRA_CA_CERTS?: string;
}

/** A Redis that accepts only some clients. */
export interface SecuredRedis {
  /** The right settings, as an operator writes them. */
  way: Way;
  /** Wrong settings; `complaint` matches what the node logs about them. */
  wrong: Way;
  complaint: RegExp;
  stop(): Promise<void>;
}

/** Rights of a separate user: all but dangerous commands, and INFO, which a client needs for its ready check. */
const RIGHTS = ['~*', '&*', '+@all', '-@dangerous', '+info'];

/** A password with characters that a URL must encode. */
function aPassword(): { password: string; encoded: string } {
  const password = rememberSecret(`p@ss:w/rd%-${randomBytes(6).toString('hex')}`);
  return { password, encoded: encodeURIComponent(password) };
}

function settings() {
  return { ...redisSettings(), durable: false };
}

export async function withPassword(): Promise<SecuredRedis> {
  const redis = await startRedis(settings());
  return secured(redis, async () => {
    const { password, encoded } = aPassword();
    await administer(redis, (client) => client.config('SET', 'requirepass', password));
    return {
      way: { REDIS_URL: `redis://:${encoded}@127.0.0.1:${redis.port}` },
      wrong: { REDIS_URL: redis.url },
      complaint: /NOAUTH/,
    };
  });
}

export async function withUser(): Promise<SecuredRedis> {
  const redis = await startRedis(settings());
  return secured(redis, async () => {
    const { password, encoded } = aPassword();
    await administer(redis, async (client) => {
      await client.acl('SETUSER', 'chat', 'on', `>${password}`, ...RIGHTS);
      await client.acl('SETUSER', 'default', 'off');
    });
    return {
      way: { REDIS_URL: `redis://chat:${encoded}@127.0.0.1:${redis.port}/1` },
      wrong: { REDIS_URL: `redis://chat:other@127.0.0.1:${redis.port}/1` },
      complaint: /WRONGPASS/,
    };
  });
}

/** One server with a certificate that no authority of this machine has signed. */
export async function withTls(): Promise<SecuredRedis> {
  const own = settings();
  const redis = await startRedis(own);
  return secured(redis, async () => {
    const { password, encoded } = aPassword();
    const certificate = makeCertificate(own.folder);
    const port = await freePort();
    await administer(redis, async (client) => {
      await listenWithTls(client, certificate, port);
      await client.config('SET', 'requirepass', password);
    });
    const REDIS_URL = `rediss://:${encoded}@localhost:${port}`;
    return {
      way: { REDIS_URL, NODE_EXTRA_CA_CERTS: certificate.file },
      wrong: { REDIS_URL },
      complaint: /self-signed certificate/,
    };
  });
}

/** The servers have one password, the sentinels another. */
export async function withSentinels(): Promise<SecuredRedis> {
  const redis = await startRedisSentinel(settings());
  return secured(redis, async () => {
    const [servers, sentinels] = [aPassword(), aPassword()];
    for (const server of redis.servers) {
      await administer(server, (client) => secure(client, servers.password));
    }
    for (const sentinel of redis.sentinels) {
      await administer(sentinel, async (client) => {
        await client.call('SENTINEL', 'SET', redis.masterName, 'auth-pass', servers.password);
        await client.call('SENTINEL', 'CONFIG', 'SET', 'sentinel-pass', sentinels.password);
        await client.acl('SETUSER', 'default', `>${sentinels.password}`);
      });
    }
    const way = (own: string) =>
      redis.url.replace('//', `//:${servers.encoded}@`) + `?sentinel_password=${own}`;
    return {
      way: { REDIS_URL: way(sentinels.encoded) },
      wrong: { REDIS_URL: way('other') },
      complaint: /WRONGPASS/,
    };
  });
}

export async function withTlsCluster(): Promise<SecuredRedis> {
  const own = settings();
  const redis = await startRedisCluster(own);
  return secured(redis, async () => {
    const { password, encoded } = aPassword();
    const certificate = makeCertificate(own.folder);
    const ports: number[] = [];
    for (const master of redis.masters) {
      const port = await freePort();
      ports.push(port);
      await administer(master, async (client) => {
        await secure(client, password);
        await listenWithTls(client, certificate, port);
        await client.config('SET', 'tls-cluster', 'yes');
        await client.config('SET', 'cluster-announce-tls-port', port);
      });
    }
    await Promise.all(
      ports.map((port) => eventually(() => announces(port, password, ports), 'the ports of TLS')),
    );
    const REDIS_URL = `rediss+cluster://:${encoded}@${ports.map((port) => `localhost:${port}`).join(',')}`;
    return {
      way: { REDIS_URL, NODE_EXTRA_CA_CERTS: certificate.file },
      wrong: { REDIS_URL },
      complaint: /self-signed certificate/,
    };
  });
}

export async function withCluster(): Promise<SecuredRedis> {
  const redis = await startRedisCluster(settings());
  return secured(redis, async () => {
    const { password, encoded } = aPassword();
    for (const master of redis.masters) {
      await administer(master, (client) => secure(client, password));
    }
    return {
      way: { REDIS_URL: redis.url.replace('//', `//:${encoded}@`) },
      wrong: { REDIS_URL: redis.url.replace('//', '//:other@') },
      complaint: /WRONGPASS/,
    };
  });
}

/** Whether the server at hand was built with TLS. */
export function hasTls(): boolean {
  const { redis } = currentRun();
  const { PATH, LD_LIBRARY_PATH } = process.env;
  const env = {
    PATH,
    LD_LIBRARY_PATH: (redis.kind === 'binary' ? redis.libraryPath : undefined) ?? LD_LIBRARY_PATH,
  };
  // The server ends at once: it has nothing to listen on, or does not know the option.
  const { stdout } = spawnSync(redis.command, ['--port', '0', '--tls-port', '0'], {
    env,
    encoding: 'utf8',
    timeout: 5000,
  });
  return !stdout.includes('tls-port');
}

async function secure(client: Client, password: string): Promise<void> {
  await client.config('SET', 'masterauth', password);
  await client.config('SET', 'requirepass', password);
}

async function listenWithTls(client: Client, { key, file }: Certificate, port: number): Promise<void> {
  await client.config('SET', 'tls-auth-clients', 'no');
  await client.config('SET', 'tls-key-file', key);
  await client.config('SET', 'tls-cert-file', file);
  await client.config('SET', 'tls-ca-cert-file', file);
  await client.config('SET', 'tls-port', port);
}

/** Stops the engine when it cannot be secured, because otherwise the run would wait for it. */
async function secured(
  engine: { stop(): Promise<void> },
  work: () => Promise<Omit<SecuredRedis, 'stop'>>,
): Promise<SecuredRedis> {
  try {
    return { ...(await work()), stop: () => engine.stop() };
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

/** Uses one connection for all of `work`: it stays authenticated when a password is set. */
async function administer(server: EngineProcess, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client(server.url, { enableReadyCheck: false });
  try {
    await work(client);
  } finally {
    client.disconnect();
  }
}

/** Whether a cluster node directs clients that connect over TLS to these ports. */
async function announces(port: number, password: string, ports: number[]): Promise<boolean> {
  const client = new Client({ host: '127.0.0.1', port, password, tls: { rejectUnauthorized: false } });
  try {
    const nodes = String(await client.cluster('NODES'));
    return ports.every((other) => nodes.includes(`127.0.0.1:${other}@`));
  } finally {
    client.disconnect();
  }
}

interface Certificate {
  key: string;
  file: string;
}

function makeCertificate(folder: string): Certificate {
  mkdirSync(folder, { recursive: true });
  const [key, file] = [join(folder, 'redis.key'), join(folder, 'redis.crt')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const made = spawnSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      names,
      '-keyout',
      key,
      '-out',
      file,
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0)
    throw new Error(`openssl makes no certificate: ${made.error?.message ?? made.stderr}`);
  return { key, file };
}
