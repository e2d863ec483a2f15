import { Cluster, Command, type Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-address.js';
import { limitTime } from './command-time.js';
import { ServerConnector } from './redis-connector.js';
import { exercise } from './redis-exercise.js';
import { redisKeys } from './redis-keys.js';

const SLOTS = 16_384;
/** Of three masters each owns one of the first ten keys with a probability of 98 %. */
const MAX_KEYS_TRIED = 300;
/** How many MOVED, ASK and lost connections one command may meet. Two of them lead to the successor of a master. */
const MAX_REDIRECTIONS = 5;
const SLOTS_REFRESH_TIMEOUT_MS = 400;

interface ClusterLimits {
  commandTimeoutMs: number;
  /** Of each node. */
  connection: Pick<RedisOptions, 'connectTimeout' | 'disconnectTimeout' | 'keepAlive'>;
  reconnectDelay(attempt: number): number;
}

/** The nodes of a Redis Cluster as one client for commands. */
export class CommandCluster extends Cluster {
  private readonly commandTimeoutMs: number;

  constructor(address: Extract<RedisAddress, { form: 'cluster' }>, limits: ClusterLimits) {
    const { tls, username, password } = address;
    const { connectTimeout, disconnectTimeout, keepAlive } = limits.connection;
    super(address.nodes, {
      enableOfflineQueue: false,
      maxRedirections: MAX_REDIRECTIONS,
      slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
      // A node that is down stays down for seconds: fail the command at once.
      retryDelayOnClusterDown: 0,
      clusterRetryStrategy: (attempt) => limits.reconnectDelay(attempt),
      // A certificate names a host, not its address.
      ...(tls ? { dnsLookup: (host, found) => found(null, host) } : {}),
      redisOptions: {
        Connector: ServerConnector,
        username,
        password,
        connectTimeout,
        disconnectTimeout,
        keepAlive,
        commandTimeout: limits.commandTimeoutMs,
        ...(tls ? { tls: {} } : {}),
      },
    });
    this.commandTimeoutMs = limits.commandTimeoutMs;
  }

  override sendCommand(...[command, ...rest]: Parameters<Cluster['sendCommand']>): unknown {
    // A connection's own time limit starts when a command reaches it, after redirections and waits for the slots.
    limitTime(command, this.commandTimeoutMs);
    // Nodes do not forward messages in a common order, so all messages of one channel go through one node.
    if (command.name === 'publish') Object.assign(command, { slot: slotOf(command.args[0]) });
    return super.sendCommand(command, ...rest);
  }

  /**
   * Exercises every master that owns slots.
   * @returns why some slots are not served; undefined when all are.
   * @throws why no slot is served.
   */
  async partFault(): Promise<Error | undefined> {
    const owners = new Set(Array.from({ length: SLOTS }, (_, slot) => this.slots[slot]?.[0]));
    const masters = this.nodes('master').filter((master) => owners.has(addressOf(master)));
    const answers = await Promise.allSettled(masters.map((master) => this.exerciseMaster(master)));
    const faults = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [answer.reason as Error] : [],
    );
    if (faults.length === 0 && masters.length === owners.size) return undefined;
    // A frozen master sends no redirection: only asking shows that another node has its slots by now.
    this.refreshSlotsCache();
    const fault = faults[0] ?? new Error('some slots of the cluster have no master');
    if (faults.length === masters.length) throw fault;
    return fault;
  }

  private async exerciseMaster(master: Redis): Promise<void> {
    // A node that serves nothing answers PING, too.
    if (!(await master.cluster('INFO')).includes('cluster_state:ok'))
      throw new Error('a master says that the state of the cluster is not ok');
    const key = this.keyAt(addressOf(master));
    if (key === undefined) return;
    try {
      await exercise(master, key);
    } catch (error) {
      // The slot was given to another master just now, and is served there.
      if (!(error instanceof Error && /^(MOVED|ASK|TRYAGAIN) /.test(error.message))) throw error;
      this.refreshSlotsCache();
    }
  }

  /** A key in a slot of this master; undefined when none is found soon, because it owns few. */
  private keyAt(address: string): string | undefined {
    for (let part = 0; part < MAX_KEYS_TRIED; part++) {
      const key = redisKeys.nodeProbe(part);
      if (this.slots[slotOf(key)]?.[0] === address) return key;
    }
    return undefined;
  }
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}

function slotOf(channel: unknown): number {
  return new Command('get', [String(channel)]).getSlot();
}
