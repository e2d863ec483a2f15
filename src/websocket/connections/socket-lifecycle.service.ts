import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { RawData, WebSocket } from 'ws';
import type { AppError } from '../../errors/app-error.js';
import { SlicedQueue } from '../../resilience/sliced-queue.js';
import { FrameDispatcherService } from '../frames/frame-dispatcher.service.js';
import type { AuthenticatedSocket, SocketHolder, SocketIdentity } from '../socket/authenticated-socket.js';
import { ConnectionReportService } from './connection-report.service.js';
import { ConnectionRegistry } from './connection.registry.js';
import { HeartbeatService } from './heartbeat.service.js';
import { ReadyFrameService } from './ready-frame.service.js';

/** A slow socket that has not closed by then is cut. */
const SLOW_CLOSE_TIMEOUT_MS = 2000;

/**
 * The life of an open socket: `ready` first, then frames, pings and the close. All sockets share the same listener
 * functions, which get their socket as `this`, so nothing is allocated per socket.
 */
@Injectable()
export class SocketLifecycleService implements SocketHolder {
  private readonly listeners: SocketListeners;
  private whenEmpty: (() => void) | undefined;
  /** When a network fails, thousands of sockets close in one moment. */
  private readonly endings = new SlicedQueue<{ socket: AuthenticatedSocket; code: number; reason: string }>(
    ({ socket, code, reason }) => this.forget(socket, code, reason),
  );

  constructor(
    private readonly registry: ConnectionRegistry,
    private readonly heartbeat: HeartbeatService,
    private readonly ready: ReadyFrameService,
    private readonly report: ConnectionReportService,
    private readonly dispatcher: FrameDispatcherService,
  ) {
    this.listeners = socketListeners(this, dispatcher, heartbeat);
  }

  /** Called in the turn of the event loop in which the handshake completed: no frame can have arrived yet. */
  start(socket: AuthenticatedSocket, identity: SocketIdentity, raw: Socket): void {
    socket.open(identity, raw, this);
    socket.on('message', this.listeners.message);
    socket.on('ping', this.listeners.ping);
    socket.on('pong', this.listeners.pong);
    socket.on('error', this.listeners.error);
    socket.on('close', this.listeners.close);
    this.registry.opened(socket);
    this.heartbeat.join(socket);
    socket.sendFrame(this.ready.frameFor(socket));
    socket.flush();
    this.registry.ready(socket);
  }

  ended(socket: AuthenticatedSocket, code: number, reason: string): void {
    this.endings.push({ socket, code, reason });
  }

  protocolError(socket: AuthenticatedSocket, error: Error): void {
    this.report.protocolError(socket, error);
  }

  /** Resolves when no socket is left, after the timeout, or when `hurry` is aborted. */
  async allClosed(timeoutMs: number, hurry?: AbortSignal): Promise<void> {
    if (this.registry.size === 0 || hurry?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      hurry?.addEventListener('abort', end, { once: true });
      this.whenEmpty = end;
    });
  }

  /** Resolves when the frames that arrived before the sockets closed are handled, or after the timeout. */
  allHandled(timeoutMs: number): Promise<void> {
    return this.dispatcher.allHandled(timeoutMs);
  }

  private forget(socket: AuthenticatedSocket, code: number, reason: string): void {
    this.registry.closed(socket, code, reason);
    if (this.registry.size === 0) this.whenEmpty?.();
  }

  /** Called by an open socket. Closes it. */
  endSlow(socket: AuthenticatedSocket): void {
    this.report.slow(socket);
    const detail = 'this connection reads too slowly: connect again, and resume from the last event';
    socket.sendFrame({ type: 'notice', data: { code: 'slow_consumer', detail } });
    socket.endWith('slow_consumer');
    setTimeout(() => socket.terminate(), SLOW_CLOSE_TIMEOUT_MS).unref();
  }

  frameSent(type: string): void {
    this.report.frameSent(type);
  }

  /** Logs an error frame that was sent but not logged yet. */
  refused(socket: AuthenticatedSocket, error: AppError): string {
    return this.report.refused(socket, error);
  }
}

interface SocketListeners {
  message: (this: WebSocket, data: RawData, isBinary: boolean) => void;
  ping: (this: WebSocket, data: Buffer) => void;
  pong: (this: WebSocket) => void;
  error: (this: WebSocket, error: Error) => void;
  close: (this: WebSocket, code: number, reason: Buffer) => void;
}

/** The library calls each with the socket as `this`, which is always an `AuthenticatedSocket`. */
function socketListeners(
  lifecycle: SocketLifecycleService,
  dispatcher: FrameDispatcherService,
  heartbeat: HeartbeatService,
): SocketListeners {
  return {
    message(data, isBinary) {
      if (!(this as AuthenticatedSocket).takesFrames) return;
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
