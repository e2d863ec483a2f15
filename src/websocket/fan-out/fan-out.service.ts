import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { redisChannels } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { frameJson } from '../socket/frame-json.js';
import { ConnectionRegistry } from '../connections/connection.registry.js';
import { ConversationChannel, type MissedReader } from './conversation-channel.js';
import { toFeedMessage } from './feed-message.js';
import type { Attempt } from '../socket/shared-frame.js';
import type { FrameReply } from '../socket/frame-reply.js';
import type { Subscription } from './subscription.js';

const SUBSCRIBE_TIMEOUT_MS = 1000;
/** Conversations that are brought up to date at one time after the connection to Redis was away. */
const MAX_RECOVERIES = 8;
const CLOSE_MESSAGE = '!close';

/**
 * Brings the frames of a conversation to every socket that watches it, on every node, through Redis. A node listens
 * only to the conversations that its own sockets watch.
 */
@Injectable()
export class FanOutService implements OnModuleInit {
  private readonly channels = new Map<string, ConversationChannel>();
  private readMissed: MissedReader = () => Promise.resolve([]);

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
      for (const channel of this.channels.values()) channel.hold();
    });
    this.redis.onListeningAgain((sinceMs) =>
      background(this.recover(sinceMs), this.logger, 'fanout.recover_failed'),
    );
  }

  /**
   * Live frames of a conversation to a socket, held back until `release`.
   * @returns `undefined` when the socket watches the conversation already.
   * @throws {AppError} `dependency_unavailable`
   */
  async subscribe(socket: AuthenticatedSocket, conversationId: string): Promise<Subscription | undefined> {
    const channel = this.channelOf(conversationId);
    if (channel.has(socket)) return undefined;
    const subscription = channel.add(socket);
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
    channel.remove(socket);
    if (!channel.isEmpty) return;
    channel.stop();
    this.channels.delete(conversationId);
    background(
      this.redis.subscriber.unsubscribe(redisChannels.conversation(conversationId)),
      this.logger,
      'fanout.unsubscribe_failed',
    );
  }

  /** Says where missed events can be read: sockets know no conversations. */
  mendWith(readMissed: MissedReader): void {
    this.readMissed = readMissed;
  }

  /**
   * To every socket that watches the conversation, in the order of the calls. What fails is found in the log of events.
   * @param writtenBy of pieces of text: they reach nobody whom its successor has reached
   */
  publish(frame: FrameReply & { conversation_id: string }, writtenBy?: Attempt): void {
    this.send(frame.conversation_id, toFeedMessage(frame.seq, frameJson(frame), writtenBy));
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
    channel.receive(message);
  }

  /** Messages are lost while the connection is away: each conversation is brought up to date from the log. */
  private async recover(sinceMs: number): Promise<void> {
    const channels = this.channels.values();
    const work = async () => {
      for (const channel of channels) {
        try {
          await channel.recover(sinceMs);
        } catch (error) {
          // Its sockets see the hole with the next event, and ask for it themselves.
          this.logger.warn('fanout.recover_failed', { error: String(error) });
        }
      }
    };
    await Promise.all(Array.from({ length: MAX_RECOVERIES }, work));
  }

  private close(conversationId: string, channel: ConversationChannel): void {
    for (const socket of channel.sockets) {
      if (socket.conversationId === conversationId) socket.endWith('conversation_not_found');
      else this.unsubscribe(socket, conversationId);
    }
  }

  private channelOf(conversationId: string): ConversationChannel {
    let channel = this.channels.get(conversationId);
    if (channel === undefined) {
      const isListening = this.redis.subscriber.subscribe(redisChannels.conversation(conversationId));
      const readMissed: MissedReader = (...asked) => this.readMissed(...asked);
      channel = new ConversationChannel(conversationId, isListening, readMissed, this.logger);
      this.channels.set(conversationId, channel);
    }
    return channel;
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
