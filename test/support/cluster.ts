import { randomBytes } from 'node:crypto';
import { freePort } from '../../scripts/free-port.js';
import { startEngines } from './engines.js';
import type { EngineOptions, Engines } from './engines.js';
import { startNode, TEST_ORIGIN } from './node.js';
import type { NodeOptions, TestNode } from './node.js';

export interface ClusterOptions extends EngineOptions {
  /** Default: 2. */
  nodes?: number;
  /** Settings of every node. */
  env?: Record<string, string>;
  /** Another build of the server than ours. */
  serverEntry?: string;
}

/** Nodes that share a database, a Redis and a signing key. */
export interface Cluster extends Engines {
  readonly nodes: TestNode[];
  /** The first node. */
  readonly node: TestNode;
  /** The second node. */
  readonly other: TestNode;
  /** Signs the tokens of all nodes. */
  readonly jwtSecret: string;
  /** Starts one more node, which `stop` also ends. */
  addNode(env?: Record<string, string>, options?: Pick<NodeOptions, 'clockShiftMs'>): Promise<TestNode>;
}

/** Engines and nodes for one test file: start in `beforeAll`, `stop` in `afterAll`. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const engines = await startEngines(options);
  const nodes: TestNode[] = [];
  const jwtSecret = randomBytes(32).toString('hex');
  const addNode: Cluster['addNode'] = async (env = {}, extra = {}) => {
    const settings = { ...(await ownAddress()), ...engineSettings(engines), JWT_SECRET: jwtSecret };
    const name = `node-${nodes.length + 1}`;
    const node = await startNode({
      name,
      env: { ...settings, ...options.env, ...env },
      ...extra,
      ...(options.serverEntry !== undefined && { serverEntry: options.serverEntry }),
    });
    nodes.push(node);
    return node;
  };
  const stop = async (): Promise<void> => {
    const exits = await Promise.all(nodes.map((node) => node.stop()));
    await engines.stop();
    const faulty = exits.findIndex((exit) => exit.code !== 0 && exit.signal !== 'SIGKILL');
    if (faulty !== -1)
      throw new Error(`${nodes[faulty]?.name} ended with ${JSON.stringify(exits[faulty])}, not 0`);
  };
  try {
    // One after the other: the first one migrates, and a busy machine starts two no faster.
    for (let count = 0; count < (options.nodes ?? 2); count++) await addNode();
  } catch (error) {
    await stop().catch((second: unknown) => {
      throw new AggregateError([error, second], 'the cluster neither starts nor stops');
    });
    throw error;
  }
  return {
    ...engines,
    nodes,
    jwtSecret,
    addNode,
    stop,
    get node() {
      return nodeAt(nodes, 0);
    },
    get other() {
      return nodeAt(nodes, 1);
    },
  };
}

function engineSettings(engines: Engines): Record<string, string> {
  return { DATABASE_URL: engines.databaseUrl, REDIS_URL: engines.redisUrl };
}

/** The port is chosen before the start, because the minted URL and the allowed origins name it. */
async function ownAddress(): Promise<Record<string, string>> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  return { PORT: String(port), PUBLIC_URL: origin, ALLOWED_ORIGINS: `${origin},${TEST_ORIGIN}` };
}

function nodeAt(nodes: TestNode[], index: number): TestNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`this cluster has ${nodes.length} nodes, not ${index + 1}`);
  return node;
}
