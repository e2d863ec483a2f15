import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { DurableEvent } from '../../../protocol/messages.js';
import type { AcceptedMessage, Conversation, MessagePage } from '../../../protocol/resources.js';
import { CurrentUser } from '../../identity/current-user.decorator.js';
import type { UserContext } from '../../identity/user-context.js';
import { RateLimiterService, rateLimitHeaders } from '../../redis/rate-limiter.service.js';
import { ChatService } from '../chat.service.js';
import {
  conversationChangeSchema,
  conversationQuerySchema,
  eventQuerySchema,
  messageQuerySchema,
  newConversationSchema,
  newMessageSchema,
} from './conversation-requests.js';
import { ConversationService } from './conversation.service.js';
import { PathIdPipe } from './path-id.pipe.js';
import { RunCancelService } from '../runs/run-cancel.service.js';

const conversationId = new PathIdPipe('conversation_not_found');

@Controller('conversations')
export class ConversationController {
  constructor(
    private readonly conversations: ConversationService,
    private readonly chat: ChatService,
    private readonly cancels: RunCancelService,
    private readonly limiter: RateLimiterService,
  ) {}

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

  @Delete(':id')
  @HttpCode(204)
  remove(@CurrentUser() user: UserContext, @Param('id', conversationId) id: string): Promise<void> {
    return this.conversations.remove(user.userId, id);
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

  @Post(':id/messages')
  @HttpCode(202)
  async send(
    @CurrentUser() user: UserContext,
    @Param('id', conversationId) id: string,
    @Body({ schema: newMessageSchema }) body: z.infer<typeof newMessageSchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AcceptedMessage> {
    void reply.headers(rateLimitHeaders(await this.limiter.take('messages', user.userId)));
    return this.chat.send({
      userId: user.userId,
      conversationId: id,
      clientMessageId: body.client_message_id,
      content: body.content,
      onBusy: body.on_busy,
    });
  }

  @Post(':id/runs/:run_id/cancel')
  @HttpCode(202)
  async cancel(
    @CurrentUser() user: UserContext,
    @Param('id', conversationId) id: string,
    @Param('run_id', new PathIdPipe('run_not_found')) runId: string,
  ): Promise<void> {
    await this.conversations.get(user.userId, id);
    await this.cancels.request(user.userId, { runId }, id);
  }
}
