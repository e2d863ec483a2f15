import type { EngineProcess } from './engine-process.js';
import { Redis as Client } from 'ioredis';

/** Masters, each with a replica that takes its place when it dies. */
export interface ReplicatedServers {
  /** As a node takes it for `REDIS_URL`. */
  readonly url: string;
  /** Masters and replicas, dead or alive; who is what changes with each failover. */
  readonly servers: readonly EngineProcess[];
  /** Whether those who lead clients to a master, or are one, know a living master for every key. */
  isServed(): Promise<boolean>;
  /** Starts a server again that was killed: same port, same data. What it is then is decided by the others. */
  revive(server: EngineProcess): Promise<void>;
  stop(): Promise<void>;
}

/** What a server says of itself. */
export interface Replication {
  isMaster: boolean;
  /** As a replica: its master sends, and it has everything from before. */
  isFollowing: boolean;
  /** As a replica: where its master is. */
  masterPort: number | undefined;
}

export async function replicationOf({ url }: Pick<EngineProcess, 'url'>): Promise<Replication> {
  const facts = await asked(url, (client) => client.info('replication'));
  const masterPort = /^master_port:(\d+)/m.exec(facts)?.[1];
  return {
    isMaster: /^role:master/m.test(facts),
    isFollowing: /^master_link_status:up/m.test(facts),
    masterPort: masterPort === undefined ? undefined : Number(masterPort),
  };
}

/** One question to one server, also to one that is not ready to serve. */
export async function asked<T>(url: string, question: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(url, {
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    commandTimeout: 2000,
  });
  // The command's rejection tells of it.
  client.on('error', () => undefined);
  try {
    return await question(client);
  } finally {
    // On a connection that has ended it would only set a timer that keeps the program alive for 2 s.
    if (client.status !== 'end') client.disconnect();
  }
}
