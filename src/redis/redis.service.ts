import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type Redis, ReplyError } from 'ioredis';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import { Dependency } from '../resilience/dependency.js';
import { CommandCluster } from './command-cluster.js';
import { commandClient, connectionsOf, type RedisClient, subscriberClient } from './redis-client.js';
import { serverInfo } from './redis-info.js';
import { adviceFor, readRefusedReply } from './refused-reply.js';
import { redisNow } from './redis-clock.js';

/**
 * The connections to Redis: to one server, to the master that sentinels name, or to a cluster. Commands of one event-loop
 * turn are sent in one write, none is queued while Redis is down, and each has a time limit: the caller fails closed at
 * once instead of waiting.
 *
 * The stream is corked to get one write. ioredis' own auto-pipelining costs more per command, and holds later commands
 * back until the pipeline before is answered, which doubles the time limit when Redis hangs.
 */
@Injectable()
export class RedisService implements OnApplicationShutdown {
  readonly dependency: Dependency;
  private readonly commands: RedisClient;
  private readonly subscriptions: Redis;
  private isShutDown = false;
  private isCorked = false;
  private isPartLost = false;

  constructor(
    config: Config,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
  ) {
    this.dependency = new Dependency(
      'redis',
      {
        failuresToOpen: 5,
        halfOpenAfterMs: 1000,
        isFault: isRedisFault,
      },
      metrics.breakerState.labels('redis'),
    );
    this.commands = commandClient(config.redis);
    this.subscriptions = subscriberClient(config.redis, this.commands);
    this.subscriptions.setMaxListeners(0);
    this.watch(this.commands, 'commands');
    this.watch(this.subscriptions, 'subscriptions');
    this.watchSilence();
  }

  /**
   * Runs commands under the breaker.
   * @throws {AppError} `dependency_unavailable`, also when Redis is up but refuses the command.
   */
  async run<T>(call: (redis: RedisClient) => Promise<T>): Promise<T> {
    this.corkForThisTurn();
    try {
      return await this.dependency.run(() => call(this.commands));
    } catch (error) {
      throw error instanceof ReplyError ? this.refused(error as Error) : error;
    }
  }

  /**
   * Asks Redis whether it serves; in a cluster every master. One lost master does not open the breaker.
   * @throws {AppError} `dependency_unavailable`, also when only a part of a cluster is down.
   */
  async ping(): Promise<void> {
    const isWhole = await this.run(async (redis) =>
      redis instanceof CommandCluster ? redis.isWhole() : (await redis.ping()) === 'PONG',
    );
    if (isWhole === this.isPartLost) {
      this.isPartLost = !isWhole;
      this.metrics.redisUp.set(isWhole ? 1 : 0);
      if (isWhole) this.logger.info('redis.whole_again');
      else this.logger.critical('redis.part_lost');
    }
    if (!isWhole) throw new AppError('dependency_unavailable', { detail: 'a part of redis is unavailable' });
  }

  /** The raw client, for libraries that bring their own commands. */
  get client(): RedisClient {
    return this.commands;
  }

  /** The connection for subscriptions, which survive a reconnect. */
  get subscriber(): Redis {
    return this.subscriptions;
  }

  /** Calls `listener` when the subscription connection is lost: from then on messages are missed. */
  onListeningLost(listener: () => void): void {
    this.subscriptions.on('close', listener);
  }

  /**
   * Calls `listener` whenever the subscriptions are restored after a loss, during which no messages arrived.
   * @param listener gets the time of the loss, in milliseconds since the epoch, by the clock of Redis
   */
  onListeningAgain(listener: (sinceMs: number) => void): void {
    let lostMs: number | undefined;
    this.subscriptions.on('close', () => {
      lostMs ??= redisNow();
    });
    this.subscriptions.on('ready', () => {
      if (lostMs === undefined) return;
      const sinceMs = lostMs;
      // The client has already sent its subscriptions again: this answer confirms that they are active.
      this.subscriptions.ping().then(
        () => {
          lostMs = undefined;
          listener(sinceMs);
        },
        // Lost again: the next reconnect calls the listener.
        () => undefined,
      );
    });
  }

  /** True while commands can be sent, at least to a part of a cluster. Costs nothing. */
  get isUp(): boolean {
    return this.commands.status === 'ready' && this.dependency.state !== 'open';
  }

  /** True while a connected server is loading its data from disk and does not serve yet. */
  async isLoading(): Promise<boolean> {
    const servers = await serverInfo(this.commands, 'persistence');
    return servers.some((fields) => fields.get('loading') === '1');
  }

  /** True while messages of other nodes can reach this one. Costs nothing. */
  get isListening(): boolean {
    return this.subscriptions.status === 'ready';
  }

  onApplicationShutdown(): void {
    if (this.isShutDown) return;
    this.isShutDown = true;
    this.commands.disconnect();
    this.subscriptions.disconnect();
  }

  /** One user's broken key must not open the breaker for all: the reply is logged and does not count as a failure. */
  private refused(error: Error): AppError {
    const { kind, fields } = readRefusedReply(error);
    const traceId = this.refusals.write('critical', 'redis.refused', kind, fields.command, fields);
    return new AppError('dependency_unavailable', { detail: 'redis is unavailable', cause: error, traceId });
  }

  private corkForThisTurn(): void {
    if (this.isCorked) return;
    this.isCorked = true;
    // A client that is connecting has no stream yet.
    const streams = connectionsOf(this.commands).flatMap(({ stream }: Partial<Redis>) => stream ?? []);
    for (const stream of streams) stream.cork();
    setImmediate(() => {
      this.isCorked = false;
      for (const stream of streams) stream.uncork();
    });
  }

  /** A Redis that hangs keeps its connection: only the breaker reports that it is down. */
  private watchSilence(): void {
    const { logger, metrics } = this;
    let isSilent = false;
    this.dependency.onAvailabilityChange((isUp) => {
      const isConnected = this.commands.status === 'ready';
      metrics.redisUp.set(isUp && isConnected ? 1 : 0);
      if (isUp && isSilent) logger.info('redis.connected', { connection: 'commands' });
      isSilent = !isUp && isConnected;
      if (isSilent)
        logger.critical('redis.lost', { connection: 'commands', error: 'connected, but no answer' });
    });
  }

  private watch(client: RedisClient, connection: string): void {
    const { logger, metrics } = this;
    let wasUp: boolean | undefined;
    let given: string | undefined;
    client.on('ready', () => {
      given = undefined;
      if (connection === 'commands') metrics.redisUp.set(1);
      if (wasUp === false) logger.info('redis.connected', { connection });
      wasUp = true;
    });
    // ioredis reports every failed reconnect: log only the first, and those that a setting would fix.
    client.on('error', (error: Error) => {
      if (connection === 'commands') metrics.redisUp.set(0);
      const reason = reasonOf(error);
      const mend = adviceFor(reason);
      if (wasUp !== false || (mend.advice !== undefined && mend.advice !== given))
        logger.critical('redis.lost', { connection, error: reason, ...mend });
      given = mend.advice ?? given;
      wasUp = false;
    });
    client.on('close', () => {
      if (connection === 'commands') metrics.redisUp.set(0);
      if (wasUp === true && !this.isShutDown)
        logger.critical('redis.lost', { connection, error: 'connection closed' });
      wasUp = false;
    });
  }
}

/** The error of a cluster says only that no node could be reached. */
function reasonOf(error: Error & { lastNodeError?: Error }): string {
  const { message, lastNodeError } = error;
  return lastNodeError === undefined ? message : `${message} Last error: ${lastNodeError.message}`;
}

function isRedisFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof AppError) return false;
  // An error reply comes from a Redis that is up, unless it says that it cannot serve now: see `refused`.
  return (
    !(error instanceof ReplyError) ||
    /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|OOM|MISCONF)/.test(error.message)
  );
}
