import { join } from 'node:path';
import type { Child } from '../../scripts/child-process.js';
import { PROJECT_ROOT } from '../../scripts/project.js';
import { type ServerProcess, startServer } from '../../scripts/server-process.js';
import type { BenchEngines } from '../bench-cluster.js';
import type { BenchFolder } from '../bench-program.js';
import { INSPECTABLE } from '../node-inspector.js';
import type { Cores } from './cores.js';
import { CHAT_DIALECT, type Dialect, SOCKET_IO_DIALECT } from './dialect.js';
import { ORIGIN } from './lean-socket.js';

/** What is measured: our server, the least that Node needs for its flow, and the same flow in Socket.IO. */
export const CONTENDERS = ['product', 'limit', 'socket.io'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** Where servers are started. */
export interface Ground {
  folder: Pick<BenchFolder, 'path' | 'ledger'>;
  engines: Pick<BenchEngines, 'settings' | 'databaseUrl' | 'redisUrl'>;
  cores: Cores | undefined;
  modelUrl: string;
}

export interface ServerPlan {
  /** Of one cluster. They share the core. */
  nodes: 1 | 2;
  /** With a debugger, through which its memory can be collected. */
  isInspected?: boolean;
}

/** The running server of one contender. */
export interface RunningContender {
  readonly name: ContenderName;
  readonly dialect: Dialect;
  readonly ports: readonly number[];
  readonly children: readonly Child[];
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const FOREVER_SECONDS = '86400';
const MOST = '100000000';

/**
 * The product as its users run it: receipts, audit, metrics, limits and a log at `info` are on. Only the limits are
 * raised, and nothing expires during a run.
 */
const PRODUCT_SETTINGS = {
  ALLOWED_ORIGINS: ORIGIN,
  RESPONDER: 'ollama',
  OLLAMA_MODEL: 'bench',
  ACCESS_TOKEN_TTL_SECONDS: FOREVER_SECONDS,
  SESSION_TTL_SECONDS: FOREVER_SECONDS,
  SESSION_MAX_SECONDS: FOREVER_SECONDS,
  RUNS_PER_USER: '100',
  DRAIN_SECONDS: '0',
  WS_MAX_CONNECTIONS_PER_SESSION: '10000',
  WS_MAX_CONNECTIONS_PER_USER: '100000',
  LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: MOST,
  LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: MOST,
  LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: MOST,
  LIMIT_TICKETS_PER_USER_PER_MINUTE: MOST,
  LIMIT_TICKETS_OUTSTANDING_PER_USER: MOST,
  LIMIT_MESSAGES_PER_USER_PER_MINUTE: MOST,
};

/** The peers' programs; the product is the built server. */
const PEERS: Partial<Record<ContenderName, string>> = {
  limit: 'limit-peer.js',
  'socket.io': 'socket-io-peer.js',
};

export async function startContender(
  ground: Ground,
  name: ContenderName,
  { nodes, isInspected = false }: ServerPlan,
): Promise<RunningContender> {
  const servers: ServerProcess[] = [];
  for (let node = 1; node <= nodes; node++)
    servers.push(await startNode(ground, name, node, nodes, isInspected));
  const children = servers.map(({ child }) => child);
  return {
    name,
    dialect: name === 'socket.io' ? SOCKET_IO_DIALECT : CHAT_DIALECT,
    ports: servers.map(({ port }) => port),
    children,
    pids: children.map(({ pid }) => pid),
    stop: async () => void (await Promise.all(children.map((child) => child.stop()))),
  };
}

async function startNode(
  { folder, engines, cores, modelUrl }: Ground,
  name: ContenderName,
  node: number,
  nodes: number,
  isInspected: boolean,
): Promise<ServerProcess> {
  const { PATH = '', HOME = '/' } = process.env;
  const peer = PEERS[name];
  const own = `${name}-${node}-${Date.now()}`;
  return startServer({
    name: own,
    env: {
      ...{ PATH, HOME, PORT: '0', PEER_NODES: String(nodes), OLLAMA_URL: modelUrl },
      ...{ ...engines.settings, REDIS_URL: engines.redisUrl },
      ...PRODUCT_SETTINGS,
    },
    nodeArgs: isInspected ? INSPECTABLE : [],
    logFile: join(folder.path, `${own}.log`),
    ledger: folder.ledger,
    launcher: cores === undefined ? [] : ['taskset', '--cpu-list', cores.server],
    ...(peer !== undefined && { entry: join(PROJECT_ROOT, 'dist', 'bench', 'peers', peer) }),
  });
}
