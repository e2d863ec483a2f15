import { Body, Controller, Delete, HttpCode, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import type { UserContext } from '../identity/user-context.js';
import { RateLimiterService, rateLimitHeaders } from '../redis/rate-limiter.service.js';
import { ChatService } from './chat.service.js';
import { ConversationRemovalService } from './conversation-removal.service.js';
import { newMessageSchema } from './history/conversation-requests.js';
import { ConversationService } from './history/conversation.service.js';
import { PathIdPipe } from './history/path-id.pipe.js';
import { RunCancelService } from './runs/run-cancel.service.js';

const conversationId = new PathIdPipe('conversation_not_found');

/** HTTP routes that act in a conversation. The routes that read or rename are in `history/`. */
@Controller('conversations')
export class ChatController {
  constructor(
    private readonly chat: ChatService,
    private readonly conversations: ConversationService,
    private readonly removals: ConversationRemovalService,
    private readonly cancels: RunCancelService,
    private readonly limiter: RateLimiterService,
  ) {}

  @Post(':id/messages')
  @HttpCode(202)
  async send(
    @CurrentUser() user: UserContext,
    @Param('id', conversationId) id: string,
    @Body({ schema: newMessageSchema }) body: z.infer<typeof newMessageSchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AcceptedMessage> {
    void reply.headers(rateLimitHeaders(this.limiter.use('messages', user.userId)));
    return this.chat.send({
      userId: user.userId,
      conversationId: id,
      clientMessageId: body.client_message_id,
      receivedMs: performance.now() - reply.elapsedTime,
      content: body.content,
      parentId: body.parent_id,
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

  @Delete(':id')
  @HttpCode(204)
  remove(@CurrentUser() user: UserContext, @Param('id', conversationId) id: string): Promise<void> {
    return this.removals.remove(user.userId, id);
  }
}
