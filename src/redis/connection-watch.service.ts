import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { connectionsOf } from './redis-client.js';
import { RedisService } from './redis.service.js';

const LOOK_INTERVAL_MS = 1000;
/** Looks in a row at a connection that was asked and has said nothing, until it is given up. */
const SILENT_LOOKS = 3;

/** What was read from a connection when it was last looked at. */
interface Hearing {
  stream: Redis['stream'] | undefined;
  bytesRead: number;
  silentLooks: number;
  isAsking: boolean;
  /** Since it was last heard. An answer may be given up by its caller, and is due all the same. */
  wasAsked: boolean;
}

/**
 * Gives up connections to Redis that have gone silent, so that others take their place. What stands in the network may
 * forget a connection without a word to either end; TCP itself then finds out after a quarter of an hour, and until
 * then a subscriber would hear nothing of revocations and answers, and miss nothing.
 */
@Injectable()
export class ConnectionWatchService implements OnModuleInit, OnModuleDestroy {
  /** The nodes of a cluster come and go. */
  private readonly hearings = new WeakMap<Redis, Hearing>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: RedisService,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => {
      for (const connection of connectionsOf(this.redis.client)) this.look(connection, 'commands');
      this.look(this.redis.subscriber, 'subscriptions');
    }, LOOK_INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private look(client: Redis, connection: string): void {
    const hearing = this.hearingOf(client);
    // A client that has not connected yet has no stream.
    const stream = client.stream as Redis['stream'] | undefined;
    const bytesRead = stream?.bytesRead ?? 0;
    const isSilent = stream === hearing.stream && bytesRead === hearing.bytesRead;
    if (!isSilent) Object.assign(hearing, { stream, bytesRead, wasAsked: hearing.isAsking });
    // While a connection is being set up, the handshake is the question that goes unanswered.
    const isAnswerDue = client.status === 'connect' || (client.status === 'ready' && hearing.wasAsked);
    hearing.silentLooks = isSilent && isAnswerDue ? hearing.silentLooks + 1 : 0;
    if (client.status === 'ready' && !hearing.isAsking) this.ask(client, hearing);
    if (hearing.silentLooks < SILENT_LOOKS) return;
    hearing.silentLooks = 0;
    this.logger.critical('redis.silent', { connection });
    stream?.destroy(new Error('it has gone silent'));
  }

  private hearingOf(client: Redis): Hearing {
    let hearing = this.hearings.get(client);
    if (hearing === undefined) {
      hearing = { stream: undefined, bytesRead: 0, silentLooks: 0, isAsking: false, wasAsked: false };
      this.hearings.set(client, hearing);
    }
    return hearing;
  }

  private ask(client: Redis, hearing: Hearing): void {
    hearing.isAsking = true;
    hearing.wasAsked = true;
    const asked = client.ping().finally(() => {
      hearing.isAsking = false;
    });
    // Whether it answers is seen in the bytes that it sends; one that cannot is seen by its owner.
    background(asked.catch(ignore), this.logger, 'redis.watch_failed');
  }
}

function ignore(): void {
  return;
}
