import type { EngineProcess } from '../../scripts/engines/engine-process.js';
import { startRedisCluster } from '../../scripts/engines/redis-cluster.js';
import { asked, replicationOf } from '../../scripts/engines/redis-replication.js';
import type { ReplicatedServers, Replication } from '../../scripts/engines/redis-replication.js';
import { startRedisSentinel } from '../../scripts/engines/redis-sentinel.js';
import { redisSettings } from './engines.js';
import { eventually } from './waiting.js';

export type ReplicatedForm = 'cluster' | 'sentinel';

export interface ReplicatedOptions {
  /** Each server keeps its data over a restart. */
  durable?: boolean;
}

interface Seen extends Replication {
  server: EngineProcess;
}

/** After how long the others take a server for gone. */
const GONE_AFTER_MS: Record<ReplicatedForm, number> = { cluster: 1500, sentinel: 1000 };
const PROMOTION_LIMIT_MS = 30_000;
/** Sentinels let a master that comes back be one for eight seconds before they make it a replica. */
const RETURN_LIMIT_MS = 60_000;
/** A password for a master that has none: it refuses whoever brings one. */
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

  /** Where a master was when it all began. */
  get first(): EngineProcess {
    return this.members.servers[0]!;
  }

  /** Servers that are masters now; of those that live. */
  async masters(): Promise<EngineProcess[]> {
    return (await this.look()).filter(({ isMaster }) => isMaster).map(({ server }) => server);
  }

  /** Resolves when every master has a replica that follows it. */
  async whole(): Promise<void> {
    const half = this.members.servers.length / 2;
    const isWhole = async () => (await this.look()).filter(({ isFollowing }) => isFollowing).length === half;
    await eventually(isWhole, 'a replica behind every master', RETURN_LIMIT_MS);
  }

  /** Cuts a replica off its master, so that what is written from now on is lost with the master. Answers what ends it. */
  async cutOff(master: EngineProcess): Promise<() => Promise<void>> {
    const { url } = await this.replicaOf(master);
    const setPassword = (password: string) =>
      asked(url, (client) => client.config('SET', 'masterauth', password));
    await setPassword(REFUSED);
    await asked(url, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'master'));
    return async () => void (await setPassword(''));
  }

  /** SIGKILL to a master. Resolves when its replica has taken its place and clients are led to it. */
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
