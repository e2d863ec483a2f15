import { TcpProxy } from '../../scripts/network/tcp-proxy.js';
import { type Cluster, type ClusterOptions, startCluster } from '../support/cluster.js';
import { addressOf, type TestNode } from '../support/node.js';
import { OllamaServer } from '../support/ollama-server.js';
import { count } from './counting-model.js';

/** One place for a node, behind a proxy: when its node dies, another one takes the place. */
export interface Berth {
  node: TestNode;
  /** Proxy between the clients and the node. */
  front: TcpProxy;
  /** Proxy between the node and Redis; none when Redis directs its clients to other servers. */
  redis: TcpProxy | undefined;
  /** False from the death of its node until another node has taken the place. */
  isUp: boolean;
}

/** Responder: a model that counts and marks what each node wrote, or the built-in one with a word every 30 ms. */
export type Writer = 'counting' | 'builtin';

export interface FleetOptions {
  nodes: number;
  /** `counting` unless said otherwise. */
  writer?: Writer;
  /** URL of a Redis that the fleet does not start itself. */
  redisUrl?: string;
  /** True unless said otherwise: a Postgres that the fleet may break. */
  privatePostgres?: boolean;
  /** Another build of the server, for planted faults. */
  serverEntry?: string;
}

const SETTINGS = {
  DRAIN_SECONDS: '4',
  WS_HEARTBEAT_SECONDS: '5',
  ACCESS_TOKEN_TTL_SECONDS: '7200',
  SESSION_TTL_SECONDS: '7200',
  WS_MAX_CONNECTIONS_PER_SESSION: '1000',
  WS_MAX_CONNECTIONS_PER_USER: '1000',
};

const WRITERS: Record<Writer, (modelUrl: string) => Record<string, string>> = {
  counting: (url) => ({ RESPONDER: 'ollama', OLLAMA_MODEL: 'test-model', OLLAMA_URL: url }),
  builtin: () => ({ RESPONDER: 'builtin' }),
};

/** Nodes, engines and a model that can all be broken. */
export class Fleet {
  readonly berths: Berth[] = [];

  private constructor(
    readonly cluster: Cluster,
    readonly model: OllamaServer,
    readonly writer: Writer,
    private readonly redisUrl: string | undefined,
  ) {}

  static async start(fleetOptions: FleetOptions): Promise<Fleet> {
    const { nodes, writer = 'counting', redisUrl, privatePostgres = true, serverEntry } = fleetOptions;
    const model = await OllamaServer.start();
    model.behaveBy(count);
    const options: ClusterOptions = {
      nodes: 0,
      privatePostgres,
      durableRedis: true,
      // One server, so that one proxy for each node is in front of all of Redis.
      redisForm: 'single',
      env: { ...SETTINGS, ...WRITERS[writer](model.url) },
      ...(serverEntry !== undefined && { serverEntry }),
    };
    const fleet = new Fleet(await startCluster(options), model, writer, redisUrl);
    for (let index = 0; index < nodes; index++) fleet.berths.push(await fleet.newBerth());
    return fleet;
  }

  /** The address that a client dials next: a node that is up, in turn, and not `avoided` while others are up. */
  addressFor(turn: number, avoided?: string): { url: string; wsUrl: string } {
    const living = this.berths.filter(({ isUp }) => isUp);
    const others = living.filter(({ node }) => node.name !== avoided);
    const up = others.length > 0 ? others : living;
    const chosen = up[turn % up.length] ?? this.berths[0]!;
    return addressOf(chosen.front.port);
  }

  /** The node behind an address that `addressFor` gave. */
  nodeAt(wsUrl: string): string {
    const port = Number(new URL(wsUrl).port);
    return this.berths.find(({ front }) => front.port === port)?.node.name ?? 'none';
  }

  /** Starts a node in a place whose node has died. */
  async fill(berth: Berth): Promise<void> {
    const { front } = berth;
    const next = await this.newBerth(berth.redis);
    Object.assign(berth, next);
    await front.stop();
  }

  async stop(): Promise<void> {
    for (const { front, redis } of this.berths) await Promise.all([front.stop(), redis?.stop()]);
    await this.cluster.stop();
    await this.model.stop();
  }

  /** The berth of a node. */
  berthOf(name: string): Berth | undefined {
    return this.berths.find(({ node }) => node.name === name);
  }

  private async newBerth(path?: TcpProxy): Promise<Berth> {
    const redis = path ?? (await this.pathToRedis());
    const url = redis === undefined ? this.redisUrl : `redis://127.0.0.1:${redis.port}`;
    const node = await this.cluster.addNode(url === undefined ? {} : { REDIS_URL: url });
    return { node, front: await TcpProxy.start(node.port), redis, isUp: true };
  }

  private async pathToRedis(): Promise<TcpProxy | undefined> {
    if (this.redisUrl !== undefined) return undefined;
    return TcpProxy.start(Number(new URL(this.cluster.redisUrl).port));
  }
}
