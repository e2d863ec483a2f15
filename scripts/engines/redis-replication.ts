import type { EngineProcess } from './engine-process.js';
import { Redis as Client } from 'ioredis';

/** Masters, each with a replica that replaces it when it dies. */
export interface ReplicatedServers {
  /** Value for a node's `REDIS_URL`. */
  readonly url: string;
  /** Masters and replicas, dead or alive; their roles change with each failover. */
  readonly servers: readonly EngineProcess[];
  /** Whether the sentinels or masters know a live master for every key. */
  isServed(): Promise<boolean>;
  /** Restarts a killed server: same port, same data. The others decide its role. */
  revive(server: EngineProcess): Promise<void>;
  stop(): Promise<void>;
}

/** A server's own report. */
export interface Replication {
  isMaster: boolean;
  /** For a replica: the link to its master is up and the first copy is complete. */
  isFollowing: boolean;
  /** For a replica: address of its master. */
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

/** Sends one command to one server, also to one that is not ready to serve. */
export async function asked<T>(url: string, question: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(url, {
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    commandTimeout: 2000,
  });
  // The command's rejection reports it.
  client.on('error', () => undefined);
  try {
    return await question(client);
  } finally {
    // On an ended connection it would only set a timer that keeps the program alive for 2 s.
    if (client.status !== 'end') client.disconnect();
  }
}
