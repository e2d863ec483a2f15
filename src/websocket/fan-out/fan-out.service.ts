import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { redisChannels } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import { AwakeClock } from '../../resilience/awake-clock.js';
import { withinLimit } from '../../resilience/time-limit.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { encodeTextFrame } from '../socket/frame-encoding.js';
import { frameJson } from '../socket/frame-json.js';
import { ConnectionRegistry } from '../connections/connection.registry.js';
import { ConversationChannel, type MissedReader } from './conversation-channel.js';
import { toFeedMessage } from './feed-message.js';
import { type Attempt, SharedFrame } from '../socket/shared-frame.js';
import type { FrameReply } from '../socket/frame-reply.js';
import type { Subscription } from './subscription.js';

const SUBSCRIBE_TIMEOUT_MS = 1000;
/** Conversations that are recovered at the same time after the connection to Redis was lost. */
const MAX_RECOVERIES = 8;
/** Delay between attempts while Redis or Postgres fails. */
const RETRY_MS = 1000;
/** How long to retry: as long as open sockets stay without Redis. */
export const SUBSCRIBE_GRACE_MS = 30_000;
const CLOSE_MESSAGE = '!close';

/**
 * Sends the frames of a conversation through Redis to every socket that watches it, on every node. A node subscribes
 * only to the conversations that its own sockets watch.
 */
@Injectable()
export class FanOutService implements OnModuleInit {
  private readonly channels = new Map<string, ConversationChannel>();
  private readMissed: (...asked: Parameters<MissedReader>) => Promise<FrameReply[] | undefined> = () =>
    Promise.resolve([]);

  constructor(
    private readonly redis: RedisService,
    registry: ConnectionRegistry,
    private readonly logger: AppLogger,
  ) {
    registry.onClosed((socket) => {
      for (const conversationId of socket.subscriptions ?? []) this.unsubscribe(socket, conversationId);
    });
  }

  onModuleInit(): void {
    const prefix = redisChannels.conversation('');
    this.redis.subscriber.on('messageBuffer', (name: Buffer, message: Buffer) => {
      const channelName = name.toString();
      if (channelName.startsWith(prefix)) this.receive(channelName.slice(prefix.length), message);
    });
    this.redis.onListeningLost(() => {
      for (const channel of this.channels.values()) channel.connectionLost();
    });
    this.redis.onListeningAgain((sinceMs) =>
      background(this.recover(sinceMs), this.logger, 'fanout.recover_failed'),
    );
  }

  /** The conversations that sockets of this node watch. */
  get watched(): string[] {
    return [...this.channels.keys()];
  }

  isWatching(socket: AuthenticatedSocket, conversationId: string): boolean {
    return this.channels.get(conversationId)?.has(socket) ?? false;
  }

  /**
   * Subscribes a socket to a conversation. Frames are held back until `release`, even if it was subscribed before.
   * @throws {AppError} `dependency_unavailable`; the socket then stays subscribed only if it was before
   */
  async hold(socket: AuthenticatedSocket, conversationId: string): Promise<Subscription> {
    const channel = this.channelOf(conversationId);
    const wasWatching = channel.has(socket);
    const subscription = channel.hold(socket);
    (socket.subscriptions ??= new Set()).add(conversationId);
    try {
      await withinLimit(channel.isListening, SUBSCRIBE_TIMEOUT_MS);
    } catch (error) {
      if (wasWatching) subscription.release(undefined);
      else this.unsubscribe(socket, conversationId);
      throw new AppError('dependency_unavailable', { detail: 'redis is unavailable', cause: error });
    }
    // The socket may have closed while we waited, after its subscriptions were removed.
    if (socket.readyState !== socket.OPEN) this.unsubscribe(socket, conversationId);
    return subscription;
  }

  unsubscribe(socket: AuthenticatedSocket, conversationId: string): void {
    socket.subscriptions?.delete(conversationId);
    const channel = this.channels.get(conversationId);
    if (channel === undefined) return;
    channel.remove(socket);
    if (!channel.isEmpty) return;
    channel.stop();
    this.channels.delete(conversationId);
    background(
      this.redis.unsubscribe(redisChannels.conversation(conversationId)),
      this.logger,
      'fanout.unsubscribe_failed',
    );
  }

  /** Sets the reader for missed events. It returns `undefined` if the conversation is deleted. */
  mendWith(readMissed: (...asked: Parameters<MissedReader>) => Promise<FrameReply[] | undefined>): void {
    this.readMissed = readMissed;
  }

  /**
   * Sends a frame to every socket that watches the conversation, in call order. If that fails, the event log has it.
   * @param writtenBy the attempt that wrote a piece of text; the text is dropped once a later attempt has taken over
   */
  publish(frame: FrameReply & { conversation_id: string }, writtenBy?: Attempt): void {
    this.send(frame.conversation_id, toFeedMessage(frame.seq, frameJson(frame), writtenBy));
  }

  /** Sends a frame to the sockets of this node that watch the conversation. */
  tellHere(frame: FrameReply & { conversation_id: string }): void {
    const shared = new SharedFrame(undefined, encodeTextFrame(frameJson(frame)));
    this.channels.get(frame.conversation_id)?.tell(shared);
  }

  /**
   * For a deleted conversation: on every node, closes the sockets opened for it, and unsubscribes the other sockets and
   * tells them.
   */
  closeConversation(conversationId: string): void {
    this.closeHere(conversationId);
    background(this.announceClose(conversationId), this.logger, 'fanout.close_failed');
  }

  /** Like `closeConversation`, on this node only. */
  closeHere(conversationId: string): void {
    const data = { conversation_id: conversationId, reason: 'conversation_not_found' as const };
    for (const socket of this.channels.get(conversationId)?.sockets ?? []) {
      this.unsubscribe(socket, conversationId);
      if (socket.conversationId === conversationId) socket.endWith('conversation_not_found');
      else socket.sendFrame({ type: 'unsubscribed', conversation_id: conversationId, data });
    }
  }

  /** Nodes that miss this message find out later by themselves. */
  private async announceClose(conversationId: string): Promise<void> {
    const channel = redisChannels.conversation(conversationId);
    await untilDone(() => this.redis.run((redis) => redis.publish(channel, CLOSE_MESSAGE)));
  }

  private send(conversationId: string, message: string): void {
    background(
      this.redis.run((redis) => redis.publish(redisChannels.conversation(conversationId), message)),
      this.logger,
      'fanout.publish_failed',
    );
  }

  private receive(conversationId: string, message: Buffer): void {
    const channel = this.channels.get(conversationId);
    if (channel === undefined) return;
    if (message.length === CLOSE_MESSAGE.length && message.equals(Buffer.from(CLOSE_MESSAGE))) {
      this.closeHere(conversationId);
      return;
    }
    channel.receive(message);
  }

  /**
   * Messages are lost while the connection is down, so each conversation is recovered from the log. If that fails for
   * the grace period, its sockets are closed: they would otherwise miss events without noticing.
   */
  private async recover(sinceMs: number): Promise<void> {
    const work = async (channels: MapIterator<ConversationChannel>) => {
      for (const channel of channels) await this.recoverOne(channel, sinceMs);
    };
    const channels = this.channels.values();
    await Promise.all(Array.from({ length: MAX_RECOVERIES }, () => work(channels)));
  }

  private async recoverOne(channel: ConversationChannel, sinceMs: number): Promise<void> {
    try {
      await channel.recover(sinceMs);
    } catch (error) {
      this.logger.warn('fanout.recover_failed', { error: String(error) });
      background(this.recoverLater(channel, sinceMs), this.logger, 'fanout.recover_failed');
    }
  }

  private async recoverLater(channel: ConversationChannel, sinceMs: number): Promise<void> {
    try {
      await untilDone(() => channel.recover(sinceMs));
    } catch (error) {
      for (const socket of channel.sockets) socket.endWith('dependency_unavailable');
      throw error;
    }
  }

  private channelOf(conversationId: string): ConversationChannel {
    let channel = this.channels.get(conversationId);
    if (channel === undefined) {
      const isListening = this.redis.subscribe(redisChannels.conversation(conversationId));
      const readMissed: MissedReader = async (...asked) => {
        const frames = await this.readMissed(...asked);
        if (frames === undefined) this.closeHere(conversationId);
        return frames ?? [];
      };
      channel = new ConversationChannel(conversationId, isListening, readMissed, this.logger);
      this.channels.set(conversationId, channel);
    }
    return channel;
  }
}

/** Retries `work` until it succeeds or the grace period has ended. */
async function untilDone(work: () => Promise<unknown>): Promise<void> {
  const clock = new AwakeClock();
  const deadline = clock.read() + SUBSCRIBE_GRACE_MS;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (clock.read() > deadline) throw error;
    }
    await sleep(RETRY_MS, undefined, { ref: false });
  }
}
