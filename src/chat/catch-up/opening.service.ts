import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { AwakeClock } from '../../resilience/awake-clock.js';
import { ConnectionRegistry } from '../../websocket/connections/connection.registry.js';
import { FanOutService, SUBSCRIBE_GRACE_MS } from '../../websocket/fan-out/fan-out.service.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';
import { ReplayService } from './replay.service.js';

/** Wait between two attempts. */
const RETRY_MS = 500;

/** The subscription that a socket on a conversation's own path has from the start. */
interface Opening {
  conversationId: string;
  hasFailed: boolean;
  isDone: boolean;
  attempt: Promise<void> | undefined;
}

/**
 * Subscribes each socket on a conversation's own path. If Redis or Postgres fails, it retries until the grace period
 * has ended, and reads the events of the meantime from the log.
 */
@Injectable()
export class OpeningService implements OnModuleInit {
  private readonly openings = new WeakMap<AuthenticatedSocket, Opening>();

  constructor(
    private readonly registry: ConnectionRegistry,
    private readonly fanOut: FanOutService,
    private readonly replay: ReplayService,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    this.registry.onReady((socket) => {
      const { conversationId } = socket;
      return conversationId === undefined ? undefined : this.open(socket, conversationId);
    });
  }

  /** Resolves when a socket is subscribed to its own path, else at once. @throws {AppError} `dependency_unavailable` */
  async opened(socket: AuthenticatedSocket): Promise<void> {
    const opening = this.openings.get(socket);
    if (opening !== undefined) await this.attempt(socket, opening);
  }

  /** The client has unsubscribed from its socket's own path. */
  giveUp(socket: AuthenticatedSocket): void {
    this.openings.delete(socket);
  }

  private async open(socket: AuthenticatedSocket, conversationId: string): Promise<void> {
    const opening: Opening = { conversationId, hasFailed: false, isDone: false, attempt: undefined };
    this.openings.set(socket, opening);
    const clock = new AwakeClock();
    const deadline = clock.read() + SUBSCRIBE_GRACE_MS;
    while (socket.readyState === socket.OPEN && this.openings.get(socket) === opening) {
      try {
        return await this.attempt(socket, opening);
      } catch (error) {
        if (!(error instanceof AppError)) {
          socket.endWith('internal');
          throw error;
        }
        this.logger.warn('fanout.open_failed', { connection_id: socket.connectionId, code: error.code });
        if (clock.read() > deadline) socket.endWith('dependency_unavailable');
      }
      await sleep(RETRY_MS);
    }
  }

  /** One attempt at a time: a frame from the client may start one as well. */
  private async attempt(socket: AuthenticatedSocket, opening: Opening): Promise<void> {
    if (opening.isDone) return;
    opening.attempt ??= this.subscribe(socket, opening).finally(() => {
      opening.attempt = undefined;
    });
    await opening.attempt;
  }

  private async subscribe(socket: AuthenticatedSocket, opening: Opening): Promise<void> {
    const { conversationId } = opening;
    try {
      const subscription = await this.fanOut.hold(socket, conversationId);
      const shown = opening.hasFailed
        ? await this.replay.since(socket, conversationId, socket.openedAtMs)
        : await this.replay.snapshots(socket, conversationId, []);
      await this.replay.progress(socket, conversationId);
      opening.isDone = true;
      subscription.release(undefined, shown);
    } catch (error) {
      opening.hasFailed = true;
      this.fanOut.unsubscribe(socket, conversationId);
      throw error;
    }
  }
}
