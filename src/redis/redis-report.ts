import { ReplyError } from 'ioredis';
import { AppError } from '../errors/app-error.js';
import { background } from '../observability/background.js';
import type { AppLogger } from '../observability/logger.js';
import type { RefusalLogService } from '../observability/refusal-log.service.js';
import type { Dependency } from '../resilience/dependency.js';
import { doorReply } from './door-reply.js';
import { costsConnection, type RedisClient } from './redis-client.js';
import {
  meaningIn,
  readRefusedReply,
  type RefusedReply,
  type ReplyKind,
  type ReplyMeaning,
} from './refused-reply.js';

/** Of what a server says while it turns a connection away. */
const MAX_LOGGED = 300;

/** A connection that is given up because of a reply closes within this time. */
const GIVING_UP_MS = 1000;

export type ConnectionName = 'commands' | 'subscriptions';

/**
 * Knows whether Redis refuses what this server needs, and logs once what becomes of the connections: lost, silent,
 * refused, back.
 */
export class RedisReport {
  private readonly refusing = new Map<ConnectionName, ReplyMeaning['scope']>();
  private readonly lastLoss = new Map<ConnectionName, string>();
  /** When a reply last made the client for commands connect again. */
  private givenUpAtMs = -Infinity;
  private isPartLost = false;
  private isStopped = false;

  constructor(
    private readonly logger: AppLogger,
    private readonly refusals: RefusalLogService,
    /** Called when the state may have changed. */
    private readonly onChange: () => void,
  ) {}

  /** False while Redis refuses every caller, or the subscriptions of this node, and while a part of a cluster is lost. */
  get isWhole(): boolean {
    return !this.isPartLost && this.refusing.size === 0;
  }

  /** True while Redis refuses every caller, or the subscriptions of this node. */
  get isRefused(): boolean {
    return this.refusing.has('subscriptions') || this.refusing.get('commands') === 'server';
  }

  /** Why the connection for commands was lost last; undefined when it never was. */
  get loss(): string | undefined {
    return this.lastLoss.get('commands');
  }

  private get isGivingUp(): boolean {
    return performance.now() - this.givenUpAtMs < GIVING_UP_MS;
  }

  stop(): void {
    this.isStopped = true;
  }

  /** Turns a reply that refuses a command into the error for its caller, and logs it; other errors stay as they are. */
  toAppError(thrown: unknown): unknown {
    const reply = replyOf(thrown);
    if (reply === undefined) return thrown;
    if (costsConnection(reply)) this.givenUpAtMs = performance.now();
    const traceId = this.write(readRefusedReply(reply));
    return new AppError('dependency_unavailable', { detail: 'redis is unavailable', cause: reply, traceId });
  }

  /** Remembers that what the server needs was refused, if that is what happened. */
  failed(connection: ConnectionName, thrown: unknown): void {
    const reply = replyOf(thrown);
    if (reply === undefined) return;
    this.refusing.set(connection, readRefusedReply(reply).scope);
    this.onChange();
  }

  /** A subscription was refused: there is no caller whom to tell. */
  subscriptionFailed(error: Error): void {
    const reply = replyOf(error);
    if (reply === undefined) return;
    this.write(readRefusedReply(reply));
    this.failed('subscriptions', reply);
  }

  /** What the server needs was done. */
  succeeded(connection: ConnectionName): void {
    if (!this.refusing.delete(connection)) return;
    this.logger.info('redis.serves_again', { connection });
    this.onChange();
  }

  /** @param fault why a part of a cluster is not served; undefined when all of it is */
  partFault(fault: Error | undefined): void {
    const isPartLost = fault !== undefined;
    if (isPartLost === this.isPartLost) return;
    this.isPartLost = isPartLost;
    this.onChange();
    if (!isPartLost) this.logger.info('redis.whole_again');
    else this.logger.critical('redis.part_lost', { error: fault.message, ...adviceFor(fault.message) });
  }

  /** A Redis that hangs keeps its connection: only the breaker reports that it is down. */
  watchSilence(dependency: Dependency, isConnected: () => boolean): void {
    let isSilent = false;
    dependency.onAvailabilityChange((isUp) => {
      this.onChange();
      if (isUp && isSilent) this.logger.info('redis.connected', { connection: 'commands' });
      // A refusal has its own line, and may cost connections.
      const isRefusal = this.refusing.has('commands') || replyOf(dependency.fault) !== undefined;
      isSilent = !isUp && isConnected() && !isRefusal;
      if (isSilent)
        this.logger.critical('redis.lost', { connection: 'commands', error: 'connected, but no answer' });
    });
  }

  watch(client: RedisClient, connection: ConnectionName): void {
    let wasUp: boolean | undefined;
    let given: ReplyKind | undefined;
    const lost = (reason: string) => {
      const kind = meaningIn(reason)?.kind;
      this.lastLoss.set(connection, reason);
      // ioredis reports every failed reconnect: log only the first, and those that a setting would fix.
      if (wasUp !== false || (kind !== undefined && kind !== given))
        this.logger.critical('redis.lost', {
          connection,
          error: reason.slice(0, MAX_LOGGED),
          ...adviceFor(reason),
        });
      given = kind ?? given;
      wasUp = false;
      // Without subscriptions this node would miss what other nodes say, although its commands are served.
      if (kind !== undefined && connection === 'subscriptions') this.refusing.set(connection, 'server');
      this.onChange();
    };
    client.on('ready', () => {
      this.onChange();
      given = undefined;
      if (wasUp === false && !this.refusing.has(connection))
        this.logger.info('redis.connected', { connection });
      wasUp = true;
    });
    client.on('error', (error: Error) => {
      lost(reasonOf(error));
      if (given !== undefined) return;
      const told = doorReply(client, error).then((reply) => {
        // It may be up again.
        if (reply !== undefined && wasUp === false) lost(reply);
      });
      background(told, this.logger, 'redis.listen_failed');
    });
    client.on('close', () => {
      this.onChange();
      // A connection that was given up because of a reply is not lost: that reply has its own line.
      if (wasUp === true && connection === 'commands' && this.isGivingUp) {
        // Only a reconnect that fails is a loss.
        wasUp = undefined;
        return;
      }
      if (wasUp === true && !this.isStopped && !this.refusing.has(connection))
        this.logger.critical('redis.lost', { connection, error: 'connection closed' });
      wasUp = false;
    });
  }

  /** One line for all callers when none is served, else one for those of the same command. @returns its trace id */
  private write({ kind, scope, fields }: RefusedReply): string {
    const who = scope === 'server' ? undefined : fields.command;
    return this.refusals.write('critical', 'redis.refused', kind, who, fields);
  }
}

/** The error reply that caused an error, or that it is. */
export function replyOf(thrown: unknown): Error | undefined {
  const cause = thrown instanceof AppError ? thrown.cause : thrown;
  return cause instanceof ReplyError ? (cause as Error) : undefined;
}

function adviceFor(reason: string): { setting?: 'REDIS_URL'; advice?: string } {
  const meaning = meaningIn(reason);
  return meaning === undefined ? {} : { setting: 'REDIS_URL', advice: meaning.advice };
}

/** The error of a cluster says only that no node could be reached. */
function reasonOf(error: Error & { lastNodeError?: Error }): string {
  const { message, lastNodeError } = error;
  return lastNodeError === undefined ? message : `${message} Last error: ${lastNodeError.message}`;
}
