import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import type { DurableEvent } from '../../../protocol/messages.js';
import type { Conversation, MessagePage } from '../../../protocol/resources.js';
import { CurrentUser } from '../../identity/current-user.decorator.js';
import type { UserContext } from '../../identity/user-context.js';
import {
  conversationChangeSchema,
  conversationQuerySchema,
  eventQuerySchema,
  messageQuerySchema,
  newConversationSchema,
} from './conversation-requests.js';
import { ConversationService } from './conversation.service.js';
import { PathIdPipe } from './path-id.pipe.js';

const conversationId = new PathIdPipe('conversation_not_found');

/** Conversations and their history. Sending, cancelling and deleting are in `chat.controller.ts`. */
@Controller('conversations')
export class ConversationController {
  constructor(private readonly conversations: ConversationService) {}

  @Post()
  create(
    @CurrentUser() user: UserContext,
    @Body({ schema: newConversationSchema }) body: z.infer<typeof newConversationSchema>,
  ): Promise<Conversation> {
    return this.conversations.create(user.userId, body?.title);
  }

  @Get()
  list(
    @CurrentUser() user: UserContext,
    @Query({ schema: conversationQuerySchema }) query: z.infer<typeof conversationQuerySchema>,
  ): Promise<{ conversations: Conversation[]; next_cursor?: string }> {
    return this.conversations.list(user.userId, query.cursor, query.limit);
  }

  @Get(':id')
  get(@CurrentUser() user: UserContext, @Param('id', conversationId) id: string): Promise<Conversation> {
    return this.conversations.get(user.userId, id);
  }

  @Patch(':id')
  rename(
    @CurrentUser() user: UserContext,
    @Param('id', conversationId) id: string,
    @Body({ schema: conversationChangeSchema }) body: z.infer<typeof conversationChangeSchema>,
  ): Promise<Conversation> {
    return this.conversations.rename(user.userId, id, body.title);
  }

  @Get(':id/messages')
  messages(
    @CurrentUser() user: UserContext,
    @Param('id', conversationId) id: string,
    @Query({ schema: messageQuerySchema }) query: z.infer<typeof messageQuerySchema>,
  ): Promise<MessagePage> {
    const { before_seq: beforeSeq, after_seq: afterSeq, limit } = query;
    return this.conversations.messagesOf(user.userId, id, { beforeSeq, afterSeq, limit });
  }

  @Get(':id/events')
  events(
    @CurrentUser() user: UserContext,
    @Param('id', conversationId) id: string,
    @Query({ schema: eventQuerySchema }) query: z.infer<typeof eventQuerySchema>,
  ): Promise<{ events: DurableEvent[]; last_seq: number }> {
    return this.conversations.eventsOf(user.userId, id, query.after_seq, query.limit);
  }
}
