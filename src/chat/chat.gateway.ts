import { UseFilters, UseGuards } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { WsAuthGuard } from '../auth/ws-auth.guard.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { AppError } from '../errors/app-error.js';
import { WsErrorFilter } from '../errors/ws-error.filter.js';
import { RateLimiterService } from '../redis/rate-limiter.service.js';
import type { AuthenticatedSocket } from '../websocket/socket/authenticated-socket.js';
import type { FrameReply } from '../websocket/socket/frame-reply.js';
import type { FrameRequest } from '../websocket/frames/frame-request.js';
import { CatchUpService } from './catch-up/catch-up.service.js';
import { ChatService } from './chat.service.js';
import { RunCancelService } from './runs/run-cancel.service.js';
import type { RunRequest } from './runs/acceptance.store.js';

/**
 * Handles the frames about conversations. A handler that sends more than one frame sends them itself, the reply first.
 */
@WebSocketGateway()
@UseFilters(WsErrorFilter)
export class ChatGateway {
  constructor(
    private readonly chat: ChatService,
    private readonly catchUp: CatchUpService,
    private readonly cancels: RunCancelService,
    private readonly limiter: RateLimiterService,
  ) {}

  @UseGuards(WsAuthGuard)
  @SubscribeMessage('subscribe')
  async subscribe(@MessageBody() { socket, frame }: FrameRequest<'subscribe'>): Promise<undefined> {
    const { conversation_id: conversationId, after_seq: afterSeq } = frame.data;
    requireOwnPath(socket, conversationId);
    await this.catchUp.subscribe(socket, conversationId, afterSeq, frame.id);
  }

  @SubscribeMessage('unsubscribe')
  async unsubscribe(@MessageBody() { socket, frame }: FrameRequest<'unsubscribe'>): Promise<FrameReply> {
    const { conversation_id } = frame.data;
    requireOwnPath(socket, conversation_id);
    this.catchUp.unsubscribe(socket, conversation_id);
    return { type: 'unsubscribed', conversation_id, data: { conversation_id } };
  }

  @UseGuards(WsAuthGuard)
  @SubscribeMessage('resume')
  async resume(@MessageBody() { socket, frame }: FrameRequest<'resume'>): Promise<undefined> {
    for (const cursor of frame.data.cursors) requireOwnPath(socket, cursor.conversation_id);
    for (const cursor of frame.data.cursors) {
      try {
        await this.catchUp.resume(socket, cursor, frame.id);
      } catch (error) {
        // A deleted conversation must not keep the others from resuming.
        if (!(error instanceof AppError)) throw error;
        const detail = `${error.detail}: ${cursor.conversation_id}`;
        socket.sendError(new AppError(error.code, { detail, cause: error }), frame.id);
      }
    }
  }

  @UseGuards(WsAuthGuard)
  @SubscribeMessage('message.send')
  send(@MessageBody() request: FrameRequest<'message.send'>): Promise<undefined> {
    const { content, parent_id: parentId, on_busy: onBusy = 'queue' } = request.frame.data;
    return this.accept(request, (common, tell) =>
      this.chat.send({ ...common, content, parentId, onBusy }, tell),
    );
  }

  @UseGuards(WsAuthGuard)
  @SubscribeMessage('message.regenerate')
  regenerate(@MessageBody() request: FrameRequest<'message.regenerate'>): Promise<undefined> {
    const { message_id: messageId } = request.frame.data;
    return this.accept(request, (common, tell) => this.chat.regenerate({ ...common, messageId }, tell));
  }

  @UseGuards(WsAuthGuard)
  @SubscribeMessage('run.cancel')
  async cancel(@MessageBody() { socket, frame }: FrameRequest<'run.cancel'>): Promise<FrameReply> {
    const { data } = frame;
    const name = 'run_id' in data ? { runId: data.run_id } : { clientMessageId: data.client_message_id };
    const { run, end } = await this.cancels.cancel(socket.user.userId, name, socket.conversationId);
    return { type: 'run.cancelled', conversation_id: run.conversationId, data: end };
  }

  /** Subscribes the socket to the conversation, queues a run with `take` and sends `message.accepted`. */
  private async accept(
    { socket, frame, receivedMs }: FrameRequest<'message.send' | 'message.regenerate'>,
    take: (common: RunRequest, tell: (accepted: AcceptedMessage) => void) => Promise<AcceptedMessage>,
  ): Promise<undefined> {
    const { conversation_id: conversationId, client_message_id: clientMessageId } = frame.data;
    requireOwnPath(socket, conversationId);
    const { userId } = socket.user;
    this.limiter.use('messages', userId);
    const tell = (accepted: AcceptedMessage): void => {
      const data = { client_message_id: clientMessageId, ...accepted };
      socket.sendFrame({ type: 'message.accepted', conversation_id: conversationId, data }, frame.id);
    };
    await this.catchUp.whileWatching(socket, conversationId, () =>
      take({ userId, conversationId, clientMessageId, receivedMs }, tell),
    );
  }
}

/** A socket on a conversation's own path may access only that conversation. */
function requireOwnPath(socket: AuthenticatedSocket, conversationId: string): void {
  if (socket.conversationId === undefined || socket.conversationId === conversationId) return;
  throw new AppError('forbidden', { detail: 'this socket was opened for another conversation' });
}
