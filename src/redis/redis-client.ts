import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-address.js';
import { CommandCluster } from './command-cluster.js';
import { limitTime } from './command-time.js';
import { ServerConnector } from './redis-connector.js';

/** Longest time for one command before the caller gets 503. Well under the 1.5 s that an upgrade may wait. */
const COMMAND_TIMEOUT_MS = 800;
const MAX_RECONNECT_DELAY_MS = 500;

/** Takes the stores' commands: the same ones for a single server, sentinels and a cluster. */
export type RedisClient = Redis | Cluster;

const reconnectDelay = (attempt: number): number => Math.min(50 * attempt, MAX_RECONNECT_DELAY_MS);

/** A master that was replaced while we were connected to it: reconnecting leads to its successor. */
export function costsConnection(reply: Error): boolean {
  return reply.message.startsWith('READONLY');
}

const connection = {
  connectTimeout: 1000,
  // A frozen server does not answer QUIT.
  disconnectTimeout: 100,
  keepAlive: 10_000,
  retryStrategy: reconnectDelay,
  reconnectOnError: costsConnection,
} satisfies RedisOptions;

/** A connection to one server whose commands have a time limit. */
class CommandConnection extends Redis {
  override sendCommand(...[command, ...rest]: Parameters<Redis['sendCommand']>): unknown {
    limitTime(command, COMMAND_TIMEOUT_MS);
    return super.sendCommand(command, ...rest);
  }
}

/** The client for commands: none is queued while Redis is down; each has a time limit and at most one retry. */
export function commandClient(address: RedisAddress): RedisClient {
  const limits = {
    ...connection,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
  };
  switch (address.form) {
    case 'single':
      return new CommandConnection(address.url, { ...limits, Connector: ServerConnector });
    case 'sentinel':
      return new CommandConnection({ ...limits, ...sentinelOptions(address) });
    case 'cluster':
      return new CommandCluster(address, {
        commandTimeoutMs: COMMAND_TIMEOUT_MS,
        connection,
        reconnectDelay,
      });
  }
}

/**
 * The connection for subscriptions. `Subscriptions` renews them after a reconnect and a failover.
 * @param commands the client of the same address, which knows the nodes of a cluster.
 */
export function subscriberClient(address: RedisAddress, commands: RedisClient): Redis {
  const patient = { ...connection, maxRetriesPerRequest: null, autoResubscribe: false };
  switch (address.form) {
    case 'single':
      return new Redis(address.url, { ...patient, Connector: ServerConnector });
    case 'sentinel':
      return new Redis({ ...patient, ...sentinelOptions(address) });
    case 'cluster':
      return clusterSubscriber(address, commands, patient);
  }
}

/** Every connection that sends commands. */
export function connectionsOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

function sentinelOptions(
  address: Extract<RedisAddress, { form: 'sentinel' }>,
): Omit<RedisOptions, 'replyMapping'> {
  const { tls } = address;
  return {
    sentinels: address.sentinels,
    name: address.masterName,
    role: 'master',
    // The sentinels report a failover: a master that hangs never closes the connection by itself.
    failoverDetector: true,
    sentinelRetryStrategy: reconnectDelay,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    db: address.db,
    username: address.username,
    password: address.password,
    sentinelUsername: address.sentinelUsername,
    sentinelPassword: address.sentinelPassword,
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  };
}

/**
 * Every node of a cluster forwards what is published on any of them. One connection to one node is enough, and each
 * reconnect tries the next node. ioredis' own subscriber does the same, but loses subscriptions that are made while it
 * moves.
 */
function clusterSubscriber(
  address: Extract<RedisAddress, { form: 'cluster' }>,
  commands: RedisClient,
  patient: RedisOptions,
): Redis {
  const known = () => {
    const nodes = connectionsOf(commands).map(({ options: { host, port } }) => ({ host, port }));
    return nodes.length > 0 ? nodes : address.nodes;
  };
  const isAt = (here: { host?: string; port?: number }) =>
    here.host === subscriber.options.host && here.port === subscriber.options.port;
  const subscriber = new Redis({
    ...patient,
    Connector: ServerConnector,
    ...address.nodes[0],
    username: address.username,
    password: address.password,
    ...(address.tls ? { tls: {} } : {}),
    retryStrategy: (attempt) => {
      const nodes = known();
      // The connector reads the options again before each attempt.
      Object.assign(subscriber.options, nodes[(nodes.findIndex(isAt) + 1) % nodes.length]);
      return reconnectDelay(attempt);
    },
  });
  // A node that left the cluster, or froze and was replaced, may keep our connection open but gets no more messages.
  commands.on('refresh', () => {
    if (subscriber.status === 'ready' && !known().some(isAt)) subscriber.disconnect(true);
  });
  return subscriber;
}
