import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { connectionsOf } from './redis-client.js';
import { RedisService } from './redis.service.js';

const LOOK_INTERVAL_MS = 1000;
/** Checks in a row that find a connection with an unanswered command silent, before it is given up. */
const SILENT_LOOKS = 3;

/** How much had been read from a connection at the last check. */
interface Hearing {
  stream: Redis['stream'] | undefined;
  bytesRead: number;
  silentLooks: number;
  isAsking: boolean;
  /** Checks since the last bytes. An answer is still due when its caller has given up. */
  wasAsked: boolean;
}

/**
 * Replaces connections to Redis that have gone silent. A firewall or NAT may drop a connection without telling either
 * end. TCP notices only after about 15 minutes; until then a subscriber would miss revocations and answers without
 * knowing it.
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
    // While a connection is being set up, the unanswered command is the handshake.
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
    // The bytes it sends show whether it answers; a failed send is handled by its owner.
    background(asked.catch(ignore), this.logger, 'redis.watch_failed');
  }
}

function ignore(): void {
  return;
}
