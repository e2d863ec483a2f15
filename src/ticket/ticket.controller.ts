import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { CLIENT_ID_FORM, LIMITS } from '../../protocol/messages.js';
import type { IssuedTicket, Receipt } from '../../protocol/resources.js';
import { AppError } from '../errors/app-error.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import type { UserContext } from '../identity/user-context.js';
import { rateLimitHeaders } from '../redis/rate-limiter.service.js';
import { TicketService } from './ticket.service.js';

const ticketRequestSchema = z
  .object({
    conversation_id: z.uuid().optional(),
    client_id: z
      .string()
      .regex(CLIENT_ID_FORM, `1 to ${LIMITS.maxClientIdLength} letters, digits or .:_-`)
      .optional(),
    purpose: z.enum(['connect', 'refresh']).default('connect'),
  })
  .nullish()
  .meta({ id: 'TicketRequest' });

@Controller('websocket')
export class TicketController {
  constructor(
    private readonly tickets: TicketService,
    private readonly conversations: ConversationAccess,
  ) {}

  @Post('ticket')
  async issue(
    @CurrentUser() user: UserContext,
    @Headers('origin') origin: string | undefined,
    @Body({ schema: ticketRequestSchema }) body: z.infer<typeof ticketRequestSchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTicket> {
    const conversationId = body?.conversation_id?.toLowerCase();
    if (conversationId !== undefined && !(await this.conversations.isOwner(user.userId, conversationId))) {
      throw new AppError('conversation_not_found');
    }
    const { issued, limit } = await this.tickets.issue(user, {
      purpose: body?.purpose ?? 'connect',
      ...(conversationId === undefined ? {} : { conversationId }),
      ...(body?.client_id === undefined ? {} : { clientId: body.client_id }),
      ...(origin === undefined ? {} : { origin }),
    });
    void reply.headers({ 'cache-control': 'no-store', ...rateLimitHeaders(limit) });
    return issued;
  }

  @Get('tickets/:ticket_id')
  receipt(@CurrentUser() user: UserContext, @Param('ticket_id') ticketId: string): Promise<Receipt> {
    return this.tickets.receiptOf(user.userId, ticketId);
  }

  @Delete('tickets/:ticket_id')
  @HttpCode(204)
  burn(@CurrentUser() user: UserContext, @Param('ticket_id') ticketId: string): Promise<void> {
    return this.tickets.burn(user.userId, ticketId);
  }
}
