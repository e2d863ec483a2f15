import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type Redis, ReplyError } from 'ioredis';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import { Dependency } from '../resilience/dependency.js';
import { SharedCall } from '../resilience/shared-call.js';
import { CommandCluster } from './command-cluster.js';
import { commandClient, connectionsOf, type RedisClient, subscriberClient } from './redis-client.js';
import { exercise } from './redis-exercise.js';
import { serverInfo } from './redis-info.js';
import { redisKeys } from './redis-keys.js';
import { type ConnectionName, RedisReport } from './redis-report.js';
import { redisNow } from './redis-clock.js';
import { readRefusedReply } from './refused-reply.js';
import { Subscriptions } from './subscriptions.js';

const REVIVAL_DELAY_MS = 100;

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
  private readonly listening: Redis;
  private readonly subscriptions: Subscriptions;
  private readonly report: RedisReport;
  private readonly onHeardAgain: ((sinceMs: number) => void)[] = [];
  private unheardSinceMs: number | undefined;
  private readonly confirming = new SharedCall(() => this.exerciseOnce());
  private isCorked = false;
  private isShutDown = false;

  constructor(
    config: Config,
    private readonly logger: AppLogger,
    metrics: MetricsService,
    refusals: RefusalLogService,
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
    this.listening = subscriberClient(config.redis, this.commands);
    this.listening.setMaxListeners(0);
    this.report = new RedisReport(logger, refusals, () =>
      metrics.redisUp.set(this.isUp && this.report.isWhole ? 1 : 0),
    );
    this.keep(this.commands, 'commands');
    this.keep(this.listening, 'subscriptions');
    this.report.watchSilence(this.dependency, () => this.commands.status === 'ready');
    this.listening.on('close', () => this.stopHearing());
    this.subscriptions = new Subscriptions(
      this.listening,
      (error) => this.listeningRefused(error),
      () => this.hearAgain(),
    );
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
      throw this.report.toAppError(error);
    }
  }

  /**
   * Asks Redis for what the server needs of it, in a cluster every master. One lost master does not open the breaker. Callers
   * at one time share one round trip.
   * @throws {AppError} `dependency_unavailable`, also when only a part of a cluster is down, and when this node may not
   * listen.
   */
  confirmUp(): Promise<void> {
    return this.confirming.ask();
  }

  /** The raw client, for libraries that bring their own commands. */
  get client(): RedisClient {
    return this.commands;
  }

  /** The connection for subscriptions, whose messages are events. Channels are added with `listen` and `subscribe`. */
  get subscriber(): Redis {
    return this.listening;
  }

  /** Listens to channels for the life of the process, also when Redis refuses that at first. */
  listen(...channels: string[]): void {
    this.subscriptions.keep(channels);
  }

  /** Listens to one channel until `unsubscribe`. @throws when Redis refuses it, or is lost meanwhile */
  subscribe(channel: string): Promise<void> {
    return this.subscriptions.add(channel);
  }

  unsubscribe(channel: string): Promise<void> {
    return this.subscriptions.remove(channel);
  }

  /** Calls `listener` when the subscription connection is lost: from then on messages are missed. */
  onListeningLost(listener: () => void): void {
    this.listening.on('close', listener);
  }

  /**
   * Calls `listener` whenever the subscriptions are restored after a loss, during which no messages arrived.
   * @param listener gets the time of the loss, in milliseconds since the epoch, by the clock of Redis
   */
  onListeningAgain(listener: (sinceMs: number) => void): void {
    this.onHeardAgain.push(listener);
  }

  /** True while commands can be sent, at least to a part of a cluster, and are not all refused. Costs nothing. */
  get isUp(): boolean {
    return this.commands.status === 'ready' && this.dependency.state !== 'open' && !this.report.isRefused;
  }

  /** True while a connected server is loading its data from disk and does not serve yet. */
  async isLoading(): Promise<boolean> {
    const servers = await serverInfo(this.commands, 'persistence');
    return servers.some((fields) => fields.get('loading') === '1');
  }

  /** True while messages of other nodes can reach this one. Costs nothing. */
  get isListening(): boolean {
    return this.subscriptions.isListening;
  }

  /** Why the connection for commands was lost last; undefined when it never was. */
  get loss(): string | undefined {
    return this.report.loss;
  }

  onApplicationShutdown(): void {
    if (this.isShutDown) return;
    this.isShutDown = true;
    this.report.stop();
    this.subscriptions.stop();
    this.commands.disconnect();
    this.listening.disconnect();
  }

  /** A client that has given up is told to connect again, as it should itself. */
  private keep(client: RedisClient, connection: ConnectionName): void {
    this.report.watch(client, connection);
    // ioredis gives up for good when sentinels report a failover at the moment in which it asks them for the master.
    client.on('end', () => {
      setTimeout(() => {
        if (!this.isShutDown) background(client.connect(), this.logger, 'redis.connect_failed');
      }, REVIVAL_DELAY_MS).unref();
    });
  }

  private async exerciseOnce(): Promise<void> {
    let fault: Error | undefined;
    try {
      fault = await this.run(faultOf);
      this.report.succeeded('commands');
    } catch (error) {
      this.report.failed('commands', error);
      throw error;
    }
    this.report.partFault(fault);
    if (fault !== undefined || this.report.isRefused) {
      const detail = fault === undefined ? 'redis is unavailable' : 'a part of redis is unavailable';
      throw new AppError('dependency_unavailable', { detail, cause: fault });
    }
  }

  private listeningRefused(error: Error): void {
    this.stopHearing();
    this.report.subscriptionFailed(error);
  }

  private stopHearing(): void {
    this.unheardSinceMs ??= redisNow();
  }

  private hearAgain(): void {
    this.report.succeeded('subscriptions');
    const sinceMs = this.unheardSinceMs;
    this.unheardSinceMs = undefined;
    if (sinceMs === undefined) return;
    for (const listener of this.onHeardAgain) listener(sinceMs);
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
}

/** Why a part of a cluster is not served; undefined when everything is. @throws why nothing is */
async function faultOf(redis: RedisClient): Promise<Error | undefined> {
  if (redis instanceof CommandCluster) return redis.partFault();
  await exercise(redis as Redis, redisKeys.nodeProbe(0));
  return undefined;
}

function isRedisFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof AppError) return false;
  // An error reply comes from a Redis that is up. It counts only when nobody is served: one user's broken key must not
  // open the breaker for all.
  return !(error instanceof ReplyError) || readRefusedReply(error).scope === 'server';
}
