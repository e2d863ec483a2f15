import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { ResumeCursor } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { MetricsService } from '../../observability/metrics.service.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';
import type { Missed } from '../../websocket/fan-out/conversation-channel.js';
import type { ShownText } from '../../websocket/fan-out/shown-text.js';
import type { FrameReply } from '../../websocket/socket/frame-reply.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { ConversationStore } from '../history/conversation.store.js';
import { OpeningService } from './opening.service.js';
import { ReplayService } from './replay.service.js';

/** A socket that is further behind must reload over HTTP. */
const MAX_BEHIND = 1000;

/** Replays to a socket what it has missed and then switches it to live frames, without gaps or duplicates. */
@Injectable()
export class CatchUpService implements OnModuleInit {
  constructor(
    private readonly openings: OpeningService,
    private readonly fanOut: FanOutService,
    private readonly conversations: ConversationStore,
    private readonly replay: ReplayService,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    this.fanOut.mendWith((conversationId, missed) => this.missed(conversationId, missed));
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
      let shown: ShownText | undefined;
      if (afterSeq !== undefined && lastSeq - afterSeq > MAX_BEHIND) {
        const detail = `more than ${MAX_BEHIND} events behind: load the conversation over HTTP`;
        socket.sendFrame({
          type: 'notice',
          conversation_id: conversationId,
          data: { code: 'reload', detail },
        });
      } else {
        await this.replay.events(socket, conversationId, afterSeq ?? lastSeq, lastSeq);
        shown = await this.replay.snapshots(socket, conversationId, []);
        await this.replay.progress(socket, conversationId);
      }
      return { lastSeq, shown };
    });
  }

  /** One cursor of a `resume`. @throws {AppError} `conversation_not_found`, `dependency_unavailable` */
  async resume(socket: AuthenticatedSocket, cursor: ResumeCursor, re: string | undefined): Promise<void> {
    const { conversation_id: conversationId, seq, partials = [] } = cursor;
    await this.whileHeld(socket, conversationId, async () => {
      const lastSeq = await this.lastSeqOf(socket, conversationId);
      const behind = lastSeq - seq;
      // A `seq` higher than the log's belongs to another history: the client must reload.
      const recovered = behind >= 0 && behind <= MAX_BEHIND;
      this.metrics.resumes.labels(recovered ? 'recovered' : 'reload').inc();
      const replayed = recovered ? behind : 0;
      const data = { conversation_id: conversationId, recovered, from_seq: seq, to_seq: lastSeq, replayed };
      socket.sendFrame({ type: 'resumed', conversation_id: conversationId, data }, re);
      let shown: ShownText | undefined;
      if (recovered) {
        await this.replay.events(socket, conversationId, seq, lastSeq);
        shown = await this.replay.snapshots(socket, conversationId, partials);
        await this.replay.progress(socket, conversationId);
      }
      return { lastSeq, shown };
    });
  }

  /**
   * Subscribes the socket before it runs `work`, so that the socket misses none of the frames that `work` causes. For a
   * socket that has closed there is nothing to watch.
   */
  async whileWatching(
    socket: AuthenticatedSocket,
    conversationId: string,
    work: () => Promise<unknown>,
  ): Promise<void> {
    if (socket.readyState === socket.OPEN) await this.openings.opened(socket);
    if (socket.readyState !== socket.OPEN) {
      await work();
      return;
    }
    if (this.fanOut.isWatching(socket, conversationId)) {
      await this.orTellDeleted(conversationId, work());
      return;
    }
    const subscription = await this.fanOut.hold(socket, conversationId);
    let shown: ShownText;
    try {
      await work();
      shown = await this.replay.snapshots(socket, conversationId, []);
    } catch (error) {
      // For example another user's conversation: the held frames are never sent.
      this.fanOut.unsubscribe(socket, conversationId);
      throw error;
    }
    subscription.release(undefined, shown);
  }

  unsubscribe(socket: AuthenticatedSocket, conversationId: string): void {
    if (socket.conversationId === conversationId) this.openings.giveUp(socket);
    this.fanOut.unsubscribe(socket, conversationId);
  }

  /**
   * Holds live frames back while `work` sends the frames before them, up to the `seq` that it returns, and text that it
   * also returns. If that fails, a socket that was subscribed before stays subscribed and misses nothing.
   */
  private async whileHeld(
    socket: AuthenticatedSocket,
    conversationId: string,
    work: () => Promise<{ lastSeq: number; shown: ShownText | undefined }>,
  ): Promise<void> {
    await this.openings.opened(socket);
    const wasWatching = this.fanOut.isWatching(socket, conversationId);
    const subscription = await this.fanOut.hold(socket, conversationId);
    try {
      const { lastSeq, shown } = await (wasWatching ? this.orTellDeleted(conversationId, work()) : work());
      subscription.release(lastSeq, shown);
    } catch (error) {
      if (wasWatching) subscription.release(undefined);
      else this.fanOut.unsubscribe(socket, conversationId);
      throw error;
    }
  }

  /** If a subscriber's conversation cannot be found, it was deleted: all its subscribers here are told. */
  private async orTellDeleted<T>(conversationId: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const isGone = error instanceof AppError && error.code === 'conversation_not_found';
      if (isGone) this.fanOut.closeHere(conversationId);
      throw error;
    }
  }

  private async missed(conversationId: string, missed: Missed): Promise<FrameReply[] | undefined> {
    const frames = await this.replay.missed(conversationId, missed);
    if (frames.length > 0) return frames;
    const isGone = (await this.conversations.missingOf([conversationId])).length > 0;
    return isGone ? undefined : frames;
  }

  private async lastSeqOf(socket: AuthenticatedSocket, conversationId: string): Promise<number> {
    const conversation = await this.conversations.find(socket.user.userId, conversationId);
    if (conversation === undefined) throw new AppError('conversation_not_found');
    return conversation.last_seq;
  }
}
