import { Injectable } from '@nestjs/common';
import { LIMITS, SUBPROTOCOL } from '../../../protocol/messages.js';
import { Config } from '../../config/config.js';
import { Responder } from '../../responder/contract/responder.js';
import { toUser } from '../../identity/user-context.js';
import { FrameDispatcherService } from '../frames/frame-dispatcher.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { timestamp } from '../socket/clock.js';
import type { FrameReply } from '../socket/frame-reply.js';
import { PONG_TIMEOUT_MS } from './heartbeat.service.js';

const RECONNECT_BASE_MS = 500;
const RECONNECT_MAX_MS = 15_000;

/** Makes the first frame of a socket: its user, and what the client needs to know about this server. */
@Injectable()
export class ReadyFrameService {
  constructor(
    private readonly config: Config,
    private readonly responder: Responder,
    private readonly dispatcher: FrameDispatcherService,
  ) {}

  frameFor({ user, identity, expiryWarningAtMs }: AuthenticatedSocket): FrameReply {
    const data: Extract<FrameReply, { type: 'ready' }>['data'] = {
      connection_id: identity.connectionId,
      session_id: user.sessionId,
      client_id: identity.clientId,
      node: this.config.nodeName,
      protocol: SUBPROTOCOL,
      user: toUser(user),
      auth: {
        method: user.method,
        expires_at: new Date(user.expiresAtMs).toISOString(),
        refresh_after: new Date(expiryWarningAtMs).toISOString(),
      },
      heartbeat: { interval_ms: this.config.heartbeatSeconds * 1000, timeout_ms: PONG_TIMEOUT_MS },
      limits: { max_frame_bytes: LIMITS.maxFrameBytes, frames_per_minute: this.dispatcher.framesPerMinute },
      reconnect: { base_ms: RECONNECT_BASE_MS, max_ms: RECONNECT_MAX_MS },
      responder: { id: this.responder.id, label: this.responder.label },
      server_time: timestamp(),
    };
    if (identity.conversationId !== undefined) data.conversation_id = identity.conversationId;
    return { type: 'ready', data };
  }
}
