import { Cluster, Command, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-address.js';
import { limitTime } from './command-time.js';
import { ServerConnector } from './redis-connector.js';

const SLOTS = 16_384;
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
   * Asks every master that owns slots whether it serves them.
   * @returns false when some slots are not served.
   * @throws when no slot is served.
   */
  async isWhole(): Promise<boolean> {
    const owners = new Set(Array.from({ length: SLOTS }, (_, slot) => this.slots[slot]?.[0]));
    const masters = this.nodes('master').filter(({ options }) =>
      owners.has(`${options.host}:${options.port}`),
    );
    const answers = await Promise.allSettled(
      masters.map(async (master) => {
        // A node that serves nothing answers PING, too.
        if (!(await master.cluster('INFO')).includes('cluster_state:ok')) throw new Error('CLUSTERDOWN');
      }),
    );
    const failed = answers.filter(({ status }) => status === 'rejected');
    if (failed.length === 0 && masters.length === owners.size) return true;
    // A frozen master sends no redirection: only asking shows that another node has its slots by now.
    this.refreshSlotsCache();
    if (failed.length === masters.length) throw new Error('no master of the cluster serves its slots');
    return false;
  }
}

function slotOf(channel: unknown): number {
  return new Command('get', [String(channel)]).getSlot();
}
