import type { EngineProcess } from '../../scripts/engines/engine-process.js';
import { startRedisCluster } from '../../scripts/engines/redis-cluster.js';
import { asked, replicationOf } from '../../scripts/engines/redis-replication.js';
import type { ReplicatedServers, Replication } from '../../scripts/engines/redis-replication.js';
import { startRedisSentinel } from '../../scripts/engines/redis-sentinel.js';
import { redisSettings } from './engines.js';
import { eventually } from './waiting.js';

export type ReplicatedForm = 'cluster' | 'sentinel';

export interface ReplicatedOptions {
  /** Each server keeps its data when it restarts. */
  durable?: boolean;
}

interface Seen extends Replication {
  server: EngineProcess;
}

/** Time after which the others consider a server down. */
const GONE_AFTER_MS: Record<ReplicatedForm, number> = { cluster: 1500, sentinel: 1000 };
const PROMOTION_LIMIT_MS = 30_000;
/** Sentinels leave a master that comes back a master for eight seconds before they make it a replica. */
const RETURN_LIMIT_MS = 60_000;
/** A password for a master without one, which refuses every client that sends a password. */
const REFUSED = 'a password that nobody asked for';

/** A Redis in which replicas take the place of masters that die. Not for Docker, which publishes one port. */
export class ReplicatedRedis {
  private constructor(private readonly members: ReplicatedServers) {}

  static async start(form: ReplicatedForm, { durable = false }: ReplicatedOptions = {}) {
    const settings = { ...redisSettings(), durable };
    const members =
      form === 'cluster'
        ? await startRedisCluster({ ...settings, replicas: 1, nodeTimeoutMs: GONE_AFTER_MS.cluster })
        : await startRedisSentinel({ ...settings, downAfterMs: GONE_AFTER_MS.sentinel });
    return new ReplicatedRedis(members);
  }

  get url(): string {
    return this.members.url;
  }

  /** The server that was the first master at the start. */
  get first(): EngineProcess {
    return this.members.servers[0]!;
  }

  /** The live servers that are masters now. */
  async masters(): Promise<EngineProcess[]> {
    return (await this.look()).filter(({ isMaster }) => isMaster).map(({ server }) => server);
  }

  /** Resolves when every master has a replica that follows it. */
  async whole(): Promise<void> {
    const half = this.members.servers.length / 2;
    const isWhole = async () => (await this.look()).filter(({ isFollowing }) => isFollowing).length === half;
    await eventually(isWhole, 'a replica behind every master', RETURN_LIMIT_MS);
  }

  /** Cuts a replica off, so that later writes are lost with its master. Returns the function that ends this. */
  async cutOff(master: EngineProcess): Promise<() => Promise<void>> {
    const { url } = await this.replicaOf(master);
    const setPassword = (password: string) =>
      asked(url, (client) => client.config('SET', 'masterauth', password));
    await setPassword(REFUSED);
    await asked(url, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'master'));
    return async () => void (await setPassword(''));
  }

  /** SIGKILL to a master. Resolves when its replica has taken its place and clients are directed to it. */
  async failOver(master: EngineProcess): Promise<void> {
    const heir = await this.replicaOf(master);
    master.kill('SIGKILL');
    const isPromoted = async () =>
      (await replicationOf(heir)).isMaster && (await this.members.isServed().catch(() => false));
    await eventually(isPromoted, 'the replica to be the master', PROMOTION_LIMIT_MS);
  }

  async revive(server: EngineProcess): Promise<void> {
    await this.members.revive(server);
  }

  stop(): Promise<void> {
    return this.members.stop();
  }

  private async replicaOf(master: EngineProcess): Promise<EngineProcess> {
    const found = (await this.look()).find(({ masterPort }) => masterPort === master.port);
    if (found === undefined) throw new Error(`the master at ${master.port} has no replica`);
    return found.server;
  }

  private async look(): Promise<Seen[]> {
    const seen = await Promise.allSettled(
      this.members.servers.map(async (server) => ({ server, ...(await replicationOf(server)) })),
    );
    return seen.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }
}
