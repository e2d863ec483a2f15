import { join } from 'node:path';
import { Redis as Client } from 'ioredis';
import type { EngineProcess } from './engine-process.js';
import { freePort } from '../free-port.js';
import { asked, replicationOf } from './redis-replication.js';
import type { ReplicatedServers } from './redis-replication.js';
import { startRedis, SYNC_AT_ONCE } from './redis-server.js';
import type { RedisOptions } from './redis-server.js';
import { until } from '../until.js';

export interface RedisClusterOptions extends Omit<RedisOptions, 'port' | 'settings' | 'sentinelFile'> {
  /** Replicas of each master. Default 0. */
  replicas?: 0 | 1;
  /** Time after which the others consider a node failed. Default 15 s, as in Redis. */
  nodeTimeoutMs?: number;
}

/** `url` is the `redis+cluster://...` URL of the masters. */
export interface RedisCluster extends ReplicatedServers {
  /** The masters when the cluster was formed; a failover makes a replica a master. */
  readonly masters: readonly EngineProcess[];
  /** Sent to all nodes. */
  kill(signal: NodeJS.Signals): void;
  /** Restarts all nodes: same ports, same slots, same data. Resolves when every slot is served. */
  restart(): Promise<void>;
}

interface Place {
  folder: string;
  port: number;
  busPort: number;
}

const MASTERS = 3;
const SLOTS = 16_384;
const READY_LIMIT_MS = 30_000;

/** Three masters that share the slots evenly, on ports of 127.0.0.1. */
export async function startRedisCluster(options: RedisClusterOptions): Promise<RedisCluster> {
  const { replicas = 0, nodeTimeoutMs = 15_000 } = options;
  const places = await choosePlaces(options.folder, MASTERS * (1 + replicas));
  let nodes: EngineProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const start = (place: Place): Promise<EngineProcess> =>
    startRedis({ ...options, ...partOfCluster(place, nodeTimeoutMs) });
  const startAll = async (): Promise<void> => {
    const settled = await Promise.allSettled(places.map(start));
    nodes = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    for (const result of settled) if (result.status === 'rejected') throw result.reason;
  };
  try {
    await startAll();
    await form(nodes, places);
    await serving(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  const hosts = places.slice(0, MASTERS).map(({ port }) => `127.0.0.1:${port}`);
  return {
    url: `redis+cluster://${hosts.join(',')}`,
    get servers() {
      return nodes;
    },
    get masters() {
      return nodes.slice(0, MASTERS);
    },
    isServed: async () => (await Promise.all(nodes.map(stateOf))).every((state) => state !== 'fail'),
    revive: async (server) => {
      const index = nodes.indexOf(server);
      const place = places[index];
      if (place === undefined) throw new Error('this server is not one of the cluster');
      nodes[index] = await start(place);
    },
    kill: (signal) => {
      for (const node of nodes) node.kill(signal);
    },
    restart: async () => {
      await stop();
      await startAll();
      await serving(nodes);
    },
    stop,
  };
}

/** The bus has its own port: the default, 10,000 above, may be taken or out of range. */
async function choosePlaces(folder: string, count: number): Promise<Place[]> {
  const places: Place[] = [];
  for (let number = 1; number <= count; number++) {
    const port = await freePort();
    places.push({ folder: join(folder, `node-${number}`), port, busPort: await freePort() });
  }
  return places;
}

function partOfCluster({ folder, port, busPort }: Place, nodeTimeoutMs: number) {
  const bus = ['--cluster-port', String(busPort), '--cluster-node-timeout', String(nodeTimeoutMs)];
  return { folder, port, settings: ['--cluster-enabled', 'yes', ...bus, ...SYNC_AT_ONCE] };
}

async function form(nodes: EngineProcess[], places: Place[]): Promise<void> {
  const clients = nodes.map(({ url }) => new Client(url));
  try {
    await Promise.all(clients.map((client, index) => assignSlots(client, index)));
    // Every node meets every other one: gossip would do it too, but takes seconds.
    for (const [index, client] of clients.entries()) {
      for (const { port, busPort } of places.slice(index + 1)) {
        await client.cluster('MEET', '127.0.0.1', port, busPort);
      }
    }
    await Promise.all(clients.map((client) => until(() => knows(client, nodes.length), ...MEETING)));
    const masterIds = await Promise.all(clients.slice(0, MASTERS).map((client) => client.cluster('MYID')));
    await Promise.all(
      clients.slice(MASTERS).map(async (client, index) => {
        await client.cluster('REPLICATE', masterIds[index] ?? '');
        await until(
          async () => (await replicationOf(nodes[MASTERS + index]!)).isFollowing,
          'a replica to follow its master',
          READY_LIMIT_MS,
        );
      }),
    );
  } finally {
    for (const client of clients) client.disconnect();
  }
}

const MEETING = ['the nodes of a cluster to know each other', READY_LIMIT_MS] as const;

async function assignSlots(client: Client, index: number): Promise<void> {
  // Nodes with the same epoch would resolve that themselves, but it takes a second or two.
  await client.cluster('SET-CONFIG-EPOCH', index + 1);
  if (index >= MASTERS) return;
  const [first, next] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / MASTERS)) as [
    number,
    number,
  ];
  await client.cluster('ADDSLOTSRANGE', first, next - 1);
}

async function knows(client: Client, count: number): Promise<boolean> {
  const nodes = String(await client.cluster('NODES'))
    .trim()
    .split('\n');
  return nodes.length === count && nodes.every((line) => !/handshake|noaddr/.test(line));
}

/** Resolves when each of these nodes says that every slot has its master. */
async function serving(nodes: EngineProcess[]): Promise<void> {
  const isServing = async (node: EngineProcess) => (await stateOf(node)) === 'ok';
  await Promise.all(
    nodes.map((node) => until(() => isServing(node), 'the cluster to serve all slots', READY_LIMIT_MS)),
  );
}

/** A node's view of the cluster. */
async function stateOf({ url }: EngineProcess): Promise<'ok' | 'fail' | 'dead'> {
  try {
    const facts = await asked(url, (client) => client.cluster('INFO'));
    return facts.includes('cluster_state:ok') ? 'ok' : 'fail';
  } catch {
    // A node that is down does not answer, and the others continue.
    return 'dead';
  }
}
