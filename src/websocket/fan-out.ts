import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { redisChannels } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import type { AuthenticatedSocket } from './authenticated-socket.js';
import { frameJson } from './authenticated-socket.js';
import { ConnectionRegistry } from './connection-registry.js';
import { ConversationFeed, type FeedFrame, parseFeedMessage, toFeedMessage } from './conversation-feed.js';
import type { FrameReply } from './frame-reply.js';

const SUBSCRIBE_TIMEOUT_MS = 1000;
/** How long later frames wait for an earlier one that another node has stored but not published yet. */
const GAP_TIMEOUT_MS = 250;
/** Frames held back for one socket while it catches up; a socket that has more is told to reload. */
const MAX_HELD_FRAMES = 2000;
const CLOSE_MESSAGE = '!close';

/** One socket's view of one conversation: held back until what came before has been sent. */
export class Subscription {
  private held: FeedFrame[] | undefined = [];
  private lastSeq = 0;

  constructor(
    readonly socket: AuthenticatedSocket,
    private readonly channel: Channel,
  ) {}

  deliver(frame: FeedFrame): void {
    if (this.held !== undefined) {
      if (this.held.length >= MAX_HELD_FRAMES) this.socket.endWith('slow_consumer');
      else this.held.push(frame);
      return;
    }
    if (frame.seq !== undefined) {
      if (frame.seq <= this.lastSeq) return;
      this.lastSeq = frame.seq;
    }
    this.socket.sendEncoded(frame.bytes);
  }

  /**
   * Sends what was held back, leaving out durable events with `seq` up to `uptoSeq`, and from now on all.
   * @param uptoSeq 0 when nobody knows where the log stands.
   */
  release(uptoSeq: number): void {
    // Whoever else watches may still wait for an event that this socket has read from the log.
    const isAlone = this.channel.subscriptions.size === 1;
    if (uptoSeq > 0 && isAlone) this.channel.feed.beginAfter(uptoSeq);
    const frames = this.held ?? [];
    this.held = undefined;
    this.lastSeq = Math.max(this.lastSeq, uptoSeq);
    for (const frame of frames) this.deliver(frame);
  }
}

interface Channel {
  subscriptions: Map<AuthenticatedSocket, Subscription>;
  feed: ConversationFeed;
  isListening: Promise<unknown>;
  gapTimer: NodeJS.Timeout | undefined;
}

/**
 * Brings the frames of a conversation to every socket that watches it, on every node, through Redis. A node listens
 * only to the conversations that its own sockets watch.
 */
@Injectable()
export class FanOut implements OnModuleInit {
  private readonly channels = new Map<string, Channel>();

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
  }

  /**
   * Live frames of a conversation to a socket, held back until `release`.
   * @returns `undefined` when the socket watches the conversation already.
   * @throws {AppError} `dependency_unavailable`
   */
  async subscribe(socket: AuthenticatedSocket, conversationId: string): Promise<Subscription | undefined> {
    const channel = this.channelOf(conversationId);
    if (channel.subscriptions.has(socket)) return undefined;
    const subscription = new Subscription(socket, channel);
    channel.subscriptions.set(socket, subscription);
    (socket.subscriptions ??= new Set()).add(conversationId);
    try {
      await withTimeout(channel.isListening);
    } catch (error) {
      this.unsubscribe(socket, conversationId);
      throw new AppError('dependency_unavailable', { detail: 'redis is unavailable', cause: error });
    }
    // It may have closed while we waited, after its subscriptions were taken down.
    if (socket.readyState !== socket.OPEN) this.unsubscribe(socket, conversationId);
    return subscription;
  }

  unsubscribe(socket: AuthenticatedSocket, conversationId: string): void {
    socket.subscriptions?.delete(conversationId);
    const channel = this.channels.get(conversationId);
    if (channel === undefined) return;
    channel.subscriptions.delete(socket);
    if (channel.subscriptions.size > 0) return;
    clearTimeout(channel.gapTimer);
    this.channels.delete(conversationId);
    background(
      this.redis.subscriber.unsubscribe(redisChannels.conversation(conversationId)),
      this.logger,
      'fanout.unsubscribe_failed',
    );
  }

  /** To every socket that watches the conversation, in the order of the calls. What fails is found in the log of events. */
  publish(frame: FrameReply & { conversation_id: string }): void {
    this.send(frame.conversation_id, toFeedMessage(frame.seq, frameJson(frame)));
  }

  /** Ends, on every node, the sockets of a conversation's own path; the others stop watching it. */
  closeConversation(conversationId: string): void {
    this.send(conversationId, CLOSE_MESSAGE);
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
      this.close(conversationId, channel);
      return;
    }
    deliver(channel, channel.feed.accept(parseFeedMessage(message)));
    if (channel.feed.isWaiting) {
      channel.gapTimer ??= setTimeout(() => {
        channel.gapTimer = undefined;
        deliver(channel, channel.feed.giveUp());
      }, GAP_TIMEOUT_MS);
    } else {
      clearTimeout(channel.gapTimer);
      channel.gapTimer = undefined;
    }
  }

  private close(conversationId: string, channel: Channel): void {
    for (const socket of [...channel.subscriptions.keys()]) {
      if (socket.conversationId === conversationId) socket.endWith('conversation_not_found');
      else this.unsubscribe(socket, conversationId);
    }
  }

  private channelOf(conversationId: string): Channel {
    let channel = this.channels.get(conversationId);
    if (channel === undefined) {
      const isListening = this.redis.subscriber.subscribe(redisChannels.conversation(conversationId));
      channel = { subscriptions: new Map(), feed: new ConversationFeed(), isListening, gapTimer: undefined };
      this.channels.set(conversationId, channel);
    }
    return channel;
  }
}

function deliver(channel: Channel, frames: readonly FeedFrame[]): void {
  for (const frame of frames) {
    for (const subscription of channel.subscriptions.values()) subscription.deliver(frame);
  }
}

async function withTimeout(promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${SUBSCRIBE_TIMEOUT_MS} ms`)),
      SUBSCRIBE_TIMEOUT_MS,
    );
  });
  try {
    await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
