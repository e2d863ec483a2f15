import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineProcess } from './engine-process.js';
import { asked, replicationOf } from './redis-replication.js';
import type { ReplicatedServers } from './redis-replication.js';
import { startRedis, SYNC_AT_ONCE } from './redis-server.js';
import type { RedisOptions } from './redis-server.js';
import { until } from '../until.js';

/** `url` is the `redis+sentinel://...` URL of the sentinels. */
export interface RedisSentinel extends ReplicatedServers {
  readonly sentinels: readonly EngineProcess[];
  /** Name of the master in the sentinels. */
  readonly masterName: string;
}

const MASTER_NAME = 'admitone';
const SENTINELS = 3;
const QUORUM = 2;
const READY_LIMIT_MS = 20_000;

/** A master with a replica, and three sentinels that promote the replica when the master is down for `downAfterMs`. */
export async function startRedisSentinel(
  options: Omit<RedisOptions, 'port' | 'settings' | 'sentinelFile'> & { downAfterMs?: number },
): Promise<RedisSentinel> {
  const { downAfterMs = 1000 } = options;
  const start = (name: string, rest: Partial<RedisOptions>): Promise<EngineProcess> =>
    startRedis({ ...options, folder: join(options.folder, name), ...rest });
  const servers: EngineProcess[] = [];
  const sentinels: EngineProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all([...sentinels, ...servers].map((server) => server.stop()));
  };
  try {
    const master = await start('master', { settings: SYNC_AT_ONCE });
    servers.push(master);
    const following = ['--replicaof', '127.0.0.1', String(master.port)];
    const replica = await start('replica', { settings: [...following, ...SYNC_AT_ONCE] });
    servers.push(replica);
    const isFollowing = async () => (await replicationOf(replica)).isFollowing;
    await until(isFollowing, 'the replica to follow its master', READY_LIMIT_MS);
    for (let number = 1; number <= SENTINELS; number++) {
      const folder = join(options.folder, `sentinel-${number}`);
      const sentinelFile = writeConfiguration(folder, master.port, downAfterMs);
      sentinels.push(await start(`sentinel-${number}`, { sentinelFile }));
    }
    await Promise.all(
      sentinels.map((one) => until(() => knowsAll(one), 'the sentinels to know each other', READY_LIMIT_MS)),
    );
    return {
      url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`,
      servers,
      sentinels,
      masterName: MASTER_NAME,
      isServed: () => nameOneMaster(sentinels),
      revive: async (server) => {
        const index = servers.indexOf(server);
        // The first server has no master in its settings, so it restarts as a master and stays one until the sentinels
        // make it a replica.
        const settings = index === 0 ? SYNC_AT_ONCE : [...following, ...SYNC_AT_ONCE];
        servers[index] = await start(index === 0 ? 'master' : 'replica', { port: server.port, settings });
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function writeConfiguration(folder: string, masterPort: number, downAfterMs: number): string {
  // The state of an earlier start is about servers that no longer exist.
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

async function knowsAll(sentinel: EngineProcess): Promise<boolean> {
  const [, , , ...facts] = (await asked(sentinel.url, (client) => client.info('sentinel')))
    .trim()
    .split('\r\n');
  const master = facts.find((line) => line.startsWith('master0:')) ?? '';
  return master.includes('status=ok,') && master.includes(`slaves=1,sentinels=${SENTINELS}`);
}

/** Whether all sentinels name the same server, and whether it is a master. */
async function nameOneMaster(sentinels: readonly EngineProcess[]): Promise<boolean> {
  const named = await Promise.all(
    sentinels.map(({ url }) =>
      asked(url, (client) => client.call('SENTINEL', 'get-master-addr-by-name', MASTER_NAME)),
    ),
  );
  const ports = new Set(named.map((address) => (Array.isArray(address) ? String(address[1]) : '')));
  const [port] = ports;
  return ports.size === 1 && (await replicationOf({ url: `redis://127.0.0.1:${port}` })).isMaster;
}
