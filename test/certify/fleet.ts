import { TcpProxy } from '../../scripts/tcp.proxy.js';
import { type Cluster, type ClusterOptions, startCluster } from '../support/cluster.js';
import { addressOf, type TestNode } from '../support/node.js';
import { OllamaServer } from '../support/ollama-server.js';
import { count } from './counting-model.js';

/** One place for a node, behind a proxy: the node in it may die, and another one take it. */
export interface Berth {
  node: TestNode;
  /** Between clients and node. */
  front: TcpProxy;
  /** Between node and Redis. */
  redis: TcpProxy;
  /** False from its death until another node has taken the place. */
  isUp: boolean;
}

export interface FleetOptions {
  nodes: number;
  /** Another build of the server, for planted faults. */
  serverEntry?: string;
}

const SETTINGS = {
  RESPONDER: 'ollama',
  OLLAMA_MODEL: 'test-model',
  DRAIN_SECONDS: '4',
  WS_HEARTBEAT_SECONDS: '5',
  ACCESS_TOKEN_TTL_SECONDS: '7200',
  SESSION_TTL_SECONDS: '7200',
};

/** Nodes, engines and a model that can all be broken. */
export class Fleet {
  readonly berths: Berth[] = [];

  private constructor(
    readonly cluster: Cluster,
    readonly model: OllamaServer,
  ) {}

  static async start({ nodes, serverEntry }: FleetOptions): Promise<Fleet> {
    const model = await OllamaServer.start();
    model.behaveBy(count);
    const options: ClusterOptions = {
      nodes: 0,
      privatePostgres: true,
      durableRedis: true,
      env: { ...SETTINGS, OLLAMA_URL: model.url },
      ...(serverEntry !== undefined && { serverEntry }),
    };
    const fleet = new Fleet(await startCluster(options), model);
    for (let index = 0; index < nodes; index++) fleet.berths.push(await fleet.newBerth());
    return fleet;
  }

  /** Where a client may dial next: a node that is up, in turn. */
  addressFor(turn: number): { url: string; wsUrl: string } {
    const up = this.berths.filter(({ isUp }) => isUp);
    const chosen = up[turn % up.length] ?? this.berths[0]!;
    return addressOf(chosen.front.port);
  }

  /** The node behind an address that `addressFor` gave. */
  nodeAt(wsUrl: string): string {
    const port = Number(new URL(wsUrl).port);
    return this.berths.find(({ front }) => front.port === port)?.node.name ?? 'none';
  }

  /** Puts a node into a place whose node has died. */
  async fill(berth: Berth): Promise<void> {
    const { front } = berth;
    const next = await this.newBerth(berth.redis);
    Object.assign(berth, next);
    await front.stop();
  }

  async stop(): Promise<void> {
    for (const { front, redis } of this.berths) await Promise.all([front.stop(), redis.stop()]);
    await this.cluster.stop();
    await this.model.stop();
  }

  private async newBerth(redis?: TcpProxy): Promise<Berth> {
    const between = redis ?? (await TcpProxy.start(Number(new URL(this.cluster.redisUrl).port)));
    const node = await this.cluster.addNode({ REDIS_URL: `redis://127.0.0.1:${between.port}` });
    return { node, front: await TcpProxy.start(node.port), redis: between, isUp: true };
  }
}
