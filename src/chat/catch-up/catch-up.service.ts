import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { ResumeCursor } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { MetricsService } from '../../observability/metrics.service.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';
import { ConnectionRegistry } from '../../websocket/connections/connection.registry.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { ConversationStore } from '../history/conversation.store.js';
import { ReplayService } from './replay.service.js';

/** A socket that is further behind reloads over HTTP. */
const MAX_BEHIND = 1000;

/** Brings sockets from what they have seen to what happens now, without a hole and without a frame twice. */
@Injectable()
export class CatchUpService implements OnModuleInit {
  private readonly opening = new WeakMap<AuthenticatedSocket, Promise<void>>();

  constructor(
    private readonly registry: ConnectionRegistry,
    private readonly fanOut: FanOutService,
    private readonly conversations: ConversationStore,
    private readonly replay: ReplayService,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    this.fanOut.mendWith((conversationId, missed) => this.replay.missed(conversationId, missed));
    this.registry.onReady((socket) => {
      if (socket.conversationId === undefined) return undefined;
      const opening = this.open(socket, socket.conversationId);
      this.opening.set(socket, opening);
      return opening;
    });
  }

  /** @throws {AppError} `conversation_not_found`, `dependency_unavailable` */
  async subscribe(
    socket: AuthenticatedSocket,
    conversationId: string,
    afterSeq: number | undefined,
    re: string | undefined,
  ): Promise<void> {
    await this.whileHeld(socket, conversationId, async () => {
      const lastSeq = await this.lastSeqOf(socket, conversationId);
      const data = { conversation_id: conversationId, last_seq: lastSeq };
      socket.sendFrame({ type: 'subscribed', conversation_id: conversationId, data }, re);
      if (afterSeq !== undefined && lastSeq - afterSeq > MAX_BEHIND) {
        const detail = `more than ${MAX_BEHIND} events behind: load the conversation over HTTP`;
        socket.sendFrame({
          type: 'notice',
          conversation_id: conversationId,
          data: { code: 'reload', detail },
        });
      } else {
        await this.replay.events(socket, conversationId, afterSeq ?? lastSeq, lastSeq);
        await this.replay.snapshots(socket, conversationId, []);
      }
      return lastSeq;
    });
  }

  /** One cursor of a `resume`. @throws {AppError} `conversation_not_found`, `dependency_unavailable` */
  async resume(socket: AuthenticatedSocket, cursor: ResumeCursor, re: string | undefined): Promise<void> {
    const { conversation_id: conversationId, seq, partials = [] } = cursor;
    await this.whileHeld(socket, conversationId, async () => {
      const lastSeq = await this.lastSeqOf(socket, conversationId);
      const behind = lastSeq - seq;
      // Who has seen more than there is has seen something else.
      const recovered = behind >= 0 && behind <= MAX_BEHIND;
      this.metrics.resumes.labels(recovered ? 'recovered' : 'reload').inc();
      const replayed = recovered ? behind : 0;
      const data = { conversation_id: conversationId, recovered, from_seq: seq, to_seq: lastSeq, replayed };
      socket.sendFrame({ type: 'resumed', conversation_id: conversationId, data }, re);
      if (recovered) {
        await this.replay.events(socket, conversationId, seq, lastSeq);
        await this.replay.snapshots(socket, conversationId, partials);
      }
      return lastSeq;
    });
  }

  /** Does something whose frames the socket must not miss: from before it on, it watches the conversation. */
  async whileWatching(
    socket: AuthenticatedSocket,
    conversationId: string,
    work: () => Promise<unknown>,
  ): Promise<void> {
    await this.opening.get(socket);
    const subscription = await this.fanOut.subscribe(socket, conversationId);
    if (subscription === undefined) {
      await work();
      return;
    }
    try {
      await work();
      await this.replay.snapshots(socket, conversationId, []);
    } catch (error) {
      // A stranger's conversation, for example: what was held back is never sent.
      this.fanOut.unsubscribe(socket, conversationId);
      throw error;
    }
    subscription.release(undefined);
  }

  private async open(socket: AuthenticatedSocket, conversationId: string): Promise<void> {
    try {
      const subscription = await this.fanOut.subscribe(socket, conversationId);
      await this.replay.snapshots(socket, conversationId, []);
      subscription?.release(undefined);
    } catch (error) {
      socket.endWith('dependency_unavailable');
      throw error;
    }
  }

  /** Holds live frames back while `work` sends what came before them, up to the `seq` that it answers. */
  private async whileHeld(
    socket: AuthenticatedSocket,
    conversationId: string,
    work: () => Promise<number>,
  ): Promise<void> {
    await this.opening.get(socket);
    const wasWatching = socket.subscriptions?.has(conversationId) ?? false;
    if (wasWatching) this.fanOut.unsubscribe(socket, conversationId);
    try {
      const subscription = await this.fanOut.subscribe(socket, conversationId);
      subscription?.release(await work());
    } catch (error) {
      this.fanOut.unsubscribe(socket, conversationId);
      // It believes that it is watching: silence would look like a conversation in which nothing happens.
      if (wasWatching) socket.endWith('dependency_unavailable');
      throw error;
    }
  }

  private async lastSeqOf(socket: AuthenticatedSocket, conversationId: string): Promise<number> {
    const conversation = await this.conversations.find(socket.user.userId, conversationId);
    if (conversation === undefined) throw new AppError('conversation_not_found');
    return conversation.last_seq;
  }
}
