import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { RawData, WebSocket } from 'ws';
import { LIMITS, SUBPROTOCOL } from '../../../protocol/messages.js';
import { Config } from '../../config/config.js';
import { ResponderInfo } from '../../identity/responder-info.js';
import { toUser } from '../../identity/user-context.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import type { AuthenticatedSocket, SocketHolder, SocketIdentity } from '../socket/authenticated-socket.js';
import { ConnectionRegistry } from './connection.registry.js';
import type { FrameReply } from '../socket/frame-reply.js';
import { FrameDispatcherService } from '../frames/frame-dispatcher.service.js';
import { EXPIRY_WARNING_MS, HeartbeatService, PONG_TIMEOUT_MS } from './heartbeat.service.js';
import { redisNow } from '../../redis/redis-clock.js';

/** A socket with more unsent bytes may still read; one that has not read for this long does not. */
const SLOW_CLOSE_TIMEOUT_MS = 2000;
const RECONNECT_BASE_MS = 500;
const RECONNECT_MAX_MS = 15_000;

/**
 * The life of an open socket: `ready` first, then frames, pings and the end. The listeners are the same functions for
 * all sockets, and find theirs as `this`: nothing is allocated per socket.
 */
@Injectable()
export class SocketLifecycleService implements SocketHolder {
  private readonly listeners: SocketListeners;
  private whenEmpty: (() => void) | undefined;

  constructor(
    private readonly config: Config,
    private readonly responder: ResponderInfo,
    private readonly registry: ConnectionRegistry,
    private readonly heartbeat: HeartbeatService,
    dispatcher: FrameDispatcherService,
    private readonly metrics: MetricsService,
    private readonly logger: AppLogger,
  ) {
    this.listeners = socketListeners(this, dispatcher, heartbeat);
  }

  /** Called in the same turn in which the handshake completed: no frame can have come yet. */
  start(socket: AuthenticatedSocket, identity: SocketIdentity, raw: Socket): void {
    socket.open(identity, raw, this);
    socket.on('message', this.listeners.message);
    socket.on('ping', this.listeners.ping);
    socket.on('pong', this.listeners.pong);
    socket.on('error', this.listeners.error);
    socket.on('close', this.listeners.close);
    this.registry.opened(socket);
    this.heartbeat.join(socket);
    socket.sendFrame(this.readyFrame(socket));
    socket.flush();
    this.registry.ready(socket);
  }

  ended(socket: AuthenticatedSocket, code: number, reason: string): void {
    this.registry.closed(socket, code, reason);
    if (this.registry.size === 0) this.whenEmpty?.();
  }

  protocolError(socket: AuthenticatedSocket, error: Error): void {
    this.logger.info('socket.protocol_error', { connection_id: socket.connectionId, error: error.message });
  }

  /** Resolves when no socket is left, or when the time is over. */
  async allClosed(timeoutMs: number): Promise<void> {
    if (this.registry.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Called by an open socket, which is not open any more afterwards. */
  endSlow(socket: AuthenticatedSocket): void {
    this.metrics.slowConsumers.inc();
    this.logger.warn('socket.slow', { connection_id: socket.connectionId, unsent_bytes: socket.unsentBytes });
    const detail = 'this connection reads too slowly: connect again, and resume from the last event';
    socket.sendFrame({ type: 'notice', data: { code: 'slow_consumer', detail } });
    socket.endWith('slow_consumer');
    setTimeout(() => socket.terminate(), SLOW_CLOSE_TIMEOUT_MS).unref();
  }

  frameSent(type: string): void {
    this.metrics.frameSent(type);
  }

  private readyFrame(socket: AuthenticatedSocket): FrameReply {
    const { user, identity } = socket;
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
        refresh_after: new Date(user.expiresAtMs - EXPIRY_WARNING_MS).toISOString(),
      },
      heartbeat: { interval_ms: this.config.heartbeatSeconds * 1000, timeout_ms: PONG_TIMEOUT_MS },
      limits: { max_frame_bytes: LIMITS.maxFrameBytes, frames_per_minute: this.listeners.framesPerMinute },
      reconnect: { base_ms: RECONNECT_BASE_MS, max_ms: RECONNECT_MAX_MS },
      responder: { id: this.responder.id, label: this.responder.label },
      server_time: new Date(redisNow()).toISOString(),
    };
    if (identity.conversationId !== undefined) data.conversation_id = identity.conversationId;
    return { type: 'ready', data };
  }
}

interface SocketListeners {
  framesPerMinute: number;
  message: (this: WebSocket, data: RawData, isBinary: boolean) => void;
  ping: (this: WebSocket, data: Buffer) => void;
  pong: (this: WebSocket) => void;
  error: (this: WebSocket, error: Error) => void;
  close: (this: WebSocket, code: number, reason: Buffer) => void;
}

/** The library calls each with the socket as `this`, which is one of ours: it makes no others. */
function socketListeners(
  lifecycle: SocketLifecycleService,
  dispatcher: FrameDispatcherService,
  heartbeat: HeartbeatService,
): SocketListeners {
  return {
    framesPerMinute: dispatcher.framesPerMinute,
    message(data, isBinary) {
      if (this.readyState !== this.OPEN) return;
      if (isBinary) (this as AuthenticatedSocket).endWith('unsupported_data');
      // A text message is one Buffer unless the socket's `binaryType` says otherwise.
      else dispatcher.receive(this as AuthenticatedSocket, (data as Buffer).toString());
    },
    ping(data) {
      if (this.readyState !== this.OPEN) return;
      if (dispatcher.countControlFrame(this as AuthenticatedSocket)) this.pong(data);
    },
    pong() {
      heartbeat.beat(this as AuthenticatedSocket);
    },
    error(error) {
      lifecycle.protocolError(this as AuthenticatedSocket, error);
    },
    close(code, reason) {
      const { sentClose } = this as AuthenticatedSocket;
      const end = sentClose ?? { code, reason: reason.toString() };
      lifecycle.ended(this as AuthenticatedSocket, end.code, end.reason);
    },
  };
}
