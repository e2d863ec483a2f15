import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-address.js';
import { CommandCluster } from './command-cluster.js';
import { ServerConnector } from './redis-connector.js';

/** Longest that one command may take before the caller is told 503. Well under the 1.5 s that an upgrade may wait. */
const COMMAND_TIMEOUT_MS = 800;
const MAX_RECONNECT_DELAY_MS = 500;

/** What stores send commands to: the same ones whatever stands behind it. */
export type RedisClient = Redis | Cluster;

const reconnectDelay = (attempt: number): number => Math.min(50 * attempt, MAX_RECONNECT_DELAY_MS);

const connection = {
  connectTimeout: 1000,
  // A server that froze does not answer our goodbye.
  disconnectTimeout: 100,
  keepAlive: 10_000,
  retryStrategy: reconnectDelay,
  // A master that was replaced while we were connected to it: the next connection leads to its successor.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

/** The client for commands: none waits while Redis is away, each has a time limit and at most one retry. */
export function commandClient(address: RedisAddress): RedisClient {
  const limits = {
    ...connection,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
  };
  switch (address.form) {
    case 'single':
      return new Redis(address.url, { ...limits, Connector: ServerConnector });
    case 'sentinel':
      return new Redis({ ...limits, ...sentinelOptions(address) });
    case 'cluster':
      return new CommandCluster(address, {
        commandTimeoutMs: COMMAND_TIMEOUT_MS,
        connection,
        reconnectDelay,
      });
  }
}

/**
 * The connection that only listens. It comes back, with its subscriptions, after a reconnect and after a failover.
 * @param commands the client of the same address, which knows the nodes of a cluster.
 */
export function subscriberClient(address: RedisAddress, commands: RedisClient): Redis {
  const patient = { ...connection, maxRetriesPerRequest: null };
  switch (address.form) {
    case 'single':
      return new Redis(address.url, { ...patient, Connector: ServerConnector });
    case 'sentinel':
      return new Redis({ ...patient, ...sentinelOptions(address) });
    case 'cluster':
      return clusterSubscriber(address, commands, patient);
  }
}

/** Each connection that commands leave by. */
export function connectionsOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

function sentinelOptions(address: Extract<RedisAddress, { form: 'sentinel' }>): RedisOptions {
  const { tls } = address;
  return {
    sentinels: address.sentinels,
    name: address.masterName,
    role: 'master',
    // Told of a failover by the sentinels: a master that only hangs never closes the connection by itself.
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
 * Every node of a cluster passes on what is published on any of them. One connection to one node is enough, and each
 * reconnect tries the next one. ioredis' own subscriber would do as much, but gives up subscriptions that are made while
 * it moves.
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
  // A node that has left the cluster, or froze and was replaced, may keep our connection open, and hears nothing any more.
  commands.on('refresh', () => {
    if (subscriber.status === 'ready' && !known().some(isAt)) subscriber.disconnect(true);
  });
  return subscriber;
}
