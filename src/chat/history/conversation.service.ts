import { Injectable } from '@nestjs/common';
import type { DurableEvent } from '../../../protocol/messages.js';
import type { Conversation, MessagePage } from '../../../protocol/resources.js';
import { AppError } from '../../errors/app-error.js';
import { ConversationAccess } from '../../identity/conversation-access.js';
import { AppLogger } from '../../observability/logger.js';
import { decodeCursor, encodeCursor } from './conversation-cursor.js';
import { ConversationStore } from './conversation.store.js';
import { EventStore } from './event.store.js';
import { type MessageRange, MessageStore } from './message.store.js';

const DEFAULT_TITLE = 'New conversation';

/** Conversations of one user. Another user's conversation gets the same error as a missing one. */
@Injectable()
export class ConversationService extends ConversationAccess {
  constructor(
    private readonly conversations: ConversationStore,
    private readonly messages: MessageStore,
    private readonly log: EventStore,
    private readonly logger: AppLogger,
  ) {
    super();
  }

  override async isOwner(userId: string, conversationId: string): Promise<boolean> {
    return (await this.conversations.find(userId, conversationId)) !== undefined;
  }

  create(userId: string, title: string | undefined): Promise<Conversation> {
    return this.conversations.create(userId, title ?? DEFAULT_TITLE);
  }

  /** Newest first. @throws {AppError} `validation_failed` for an invalid cursor */
  async list(
    userId: string,
    cursor: string | undefined,
    limit: number,
  ): Promise<{ conversations: Conversation[]; next_cursor?: string }> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    if (cursor !== undefined && after === undefined) {
      throw new AppError('validation_failed', {
        detail: '"cursor" must be a "next_cursor" of an earlier page',
      });
    }
    const found = await this.conversations.list(userId, after, limit + 1);
    const conversations = found.slice(0, limit);
    const last = conversations.at(-1);
    if (last === undefined || found.length <= limit) return { conversations };
    return { conversations, next_cursor: encodeCursor({ createdAt: last.created_at, id: last.id }) };
  }

  /** @throws {AppError} `conversation_not_found` */
  async get(userId: string, id: string): Promise<Conversation> {
    return required(await this.conversations.find(userId, id));
  }

  /** @throws {AppError} `conversation_not_found` */
  async rename(userId: string, id: string, title: string): Promise<Conversation> {
    return required(await this.conversations.rename(userId, id, title));
  }

  /** Deletes it. Returns the runs that were writing. @throws {AppError} `conversation_not_found` */
  async remove(userId: string, id: string): Promise<string[]> {
    const runIds = required(await this.conversations.remove(userId, id));
    this.logger.info('conversation.deleted', { conversation_id: id, user_id: userId });
    return runIds;
  }

  /** One page of messages, oldest first. @throws {AppError} `conversation_not_found` */
  async messagesOf(userId: string, id: string, range: MessageRange): Promise<MessagePage> {
    await this.get(userId, id);
    const found = await this.messages.page(id, { ...range, limit: range.limit + 1 });
    const has_more = found.length > range.limit;
    if (!has_more) return { messages: found, has_more };
    // The extra row is at the end where the next page would begin.
    return { messages: range.afterSeq === undefined ? found.slice(1) : found.slice(0, -1), has_more };
  }

  /** Durable events, oldest first. @throws {AppError} `conversation_not_found` */
  async eventsOf(
    userId: string,
    id: string,
    afterSeq: number,
    limit: number,
  ): Promise<{ events: DurableEvent[]; last_seq: number }> {
    const { last_seq } = await this.get(userId, id);
    return { events: await this.log.after(id, afterSeq, limit), last_seq };
  }
}

function required<T>(found: T | undefined): T {
  if (found === undefined) throw new AppError('conversation_not_found');
  return found;
}
