import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis as Client } from 'ioredis';
import { startRedis, SYNC_AT_ONCE } from './redis.service.js';
import type { Redis, RedisOptions } from './redis.service.js';
import { until } from './until.js';

export interface RedisSentinel {
  /** `redis+sentinel://...` */
  readonly url: string;
  readonly master: Redis;
  readonly replica: Redis;
  readonly sentinels: readonly Redis[];
  /** As the sentinels call it. */
  readonly masterName: string;
  stop(): Promise<void>;
}

const MASTER_NAME = 'admitone';
const SENTINELS = 3;
const QUORUM = 2;
const READY_LIMIT_MS = 20_000;

/** A master with a replica, and three sentinels that put the replica in its place when it is away for `downAfterMs`. */
export async function startRedisSentinel(
  options: Omit<RedisOptions, 'port' | 'settings' | 'sentinelFile'> & { downAfterMs?: number },
): Promise<RedisSentinel> {
  const { downAfterMs = 1000 } = options;
  const started: Redis[] = [];
  const start = async (name: string, rest: Partial<RedisOptions>): Promise<Redis> => {
    const server = await startRedis({ ...options, folder: join(options.folder, name), ...rest });
    started.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    const master = await start('master', { settings: SYNC_AT_ONCE });
    const replica = await start('replica', {
      settings: ['--replicaof', '127.0.0.1', String(master.port), ...SYNC_AT_ONCE],
    });
    await until(() => isInSync(replica), 'the replica to follow its master', READY_LIMIT_MS);
    const sentinels: Redis[] = [];
    for (let number = 1; number <= SENTINELS; number++) {
      const folder = join(options.folder, `sentinel-${number}`);
      const sentinelFile = writeConfiguration(folder, master.port, downAfterMs);
      sentinels.push(await start(`sentinel-${number}`, { sentinelFile }));
    }
    await Promise.all(
      sentinels.map((one) => until(() => knowsAll(one), 'the sentinels to know each other', READY_LIMIT_MS)),
    );
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
    return {
      url: `redis+sentinel://${hosts}/${MASTER_NAME}`,
      master,
      replica,
      sentinels,
      masterName: MASTER_NAME,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function writeConfiguration(folder: string, masterPort: number, downAfterMs: number): string {
  // What an earlier start has learnt is about servers that are gone.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'sentinel.conf');
  const lines = [
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} ${QUORUM}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${MASTER_NAME} ${3 * downAfterMs}`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function isInSync(replica: Redis): Promise<boolean> {
  const client = new Client(replica.url);
  try {
    return (await client.info('replication')).includes('master_link_status:up');
  } finally {
    client.disconnect();
  }
}

async function knowsAll(sentinel: Redis): Promise<boolean> {
  const client = new Client(sentinel.url, { enableReadyCheck: false });
  try {
    const [, , , ...facts] = (await client.info('sentinel')).trim().split('\r\n');
    const master = facts.find((line) => line.startsWith('master0:')) ?? '';
    return master.includes('status=ok,') && master.includes(`slaves=1,sentinels=${SENTINELS}`);
  } finally {
    client.disconnect();
  }
}
