import { UseFilters } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { UnifiedAuthenticationService } from '../../auth/unified-authentication.service.js';
import { toAppError } from '../../errors/problem.js';
import { WsErrorFilter } from '../../errors/ws-error.filter.js';
import { timestamp } from '../socket/clock.js';
import type { FrameReply } from '../socket/frame-reply.js';
import type { FrameRequest } from './frame-request.js';

/** Handles the frames that concern the connection itself. */
@WebSocketGateway()
@UseFilters(WsErrorFilter)
export class ConnectionGateway {
  constructor(private readonly authentication: UnifiedAuthenticationService) {}

  @SubscribeMessage('ping')
  ping(@MessageBody() { frame }: FrameRequest<'ping'>): FrameReply {
    return { type: 'pong', data: { ...frame.data, server_time: timestamp() } };
  }

  @SubscribeMessage('auth.refresh')
  async refresh(
    @MessageBody() { socket, frame }: FrameRequest<'auth.refresh'>,
  ): Promise<FrameReply | undefined> {
    const { clientId, connectionId } = socket.identity;
    try {
      socket.renew(await this.authentication.renew(socket.user, clientId, connectionId, frame.data.ticket));
    } catch (thrown) {
      const error = toAppError(thrown);
      socket.sendError(error, frame.id);
      if (error.status < 500) socket.endWith('forbidden');
      return undefined;
    }
    return { type: 'auth.refreshed', data: { expires_at: new Date(socket.user.expiresAtMs).toISOString() } };
  }
}
