import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { WsMessageHandler } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AbstractWsAdapter } from '@nestjs/websockets';
import { WebSocketServer } from 'ws';
import { LIMITS, SUBPROTOCOL } from '../../../protocol/messages.js';
import { toAppError } from '../../errors/problem.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { FrameDispatcherService } from '../frames/frame-dispatcher.service.js';
import { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { DeclinedUpgrades, offersWebSocket } from './declined-upgrades.js';
import { pathOf, refuseUpgrade } from './handshake.js';
import { type Complete, UpgradeAdmissionService } from './upgrade-admission.service.js';

/** Timeout for a closing handshake that the client does not answer. */
const CLOSE_TIMEOUT_MS = 5000;

/**
 * Placeholder socket for Nest, which binds its handlers once, to this object. All sockets share the handlers, which get
 * their socket with each frame.
 */
const EVERY_SOCKET = Object.freeze({});

/**
 * Answers upgrade requests: 101 if admitted, otherwise a complete HTTP response. Extends Nest's adapter, so that
 * gateways, guards and filters work as in any Nest application.
 */
@Injectable()
export class UpgradeAdapter extends AbstractWsAdapter {
  private readonly server = new WebSocketServer({
    noServer: true,
    WebSocket: AuthenticatedSocket,
    clientTracking: false,
    autoPong: false,
    maxPayload: LIMITS.maxFrameBytes,
    maxFragments: 1024,
    maxBufferedChunks: 4096,
    perMessageDeflate: false,
    skipUTF8Validation: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  } as ConstructorParameters<typeof WebSocketServer<typeof AuthenticatedSocket>>[0]);
  /** Additional headers of a 101 response. */
  private readonly answerHeaders = new WeakMap<IncomingMessage, Readonly<Record<string, string>>>();

  constructor(
    private readonly http: HttpAdapterHost,
    private readonly admission: UpgradeAdmissionService,
    private readonly dispatcher: FrameDispatcherService,
    private readonly logger: AppLogger,
  ) {
    super();
    this.server.on('headers', (headers: string[], request: IncomingMessage) => {
      const own = this.answerHeaders.get(request) ?? {};
      for (const [name, value] of Object.entries(own)) headers.push(`${name}: ${value}`);
    });
  }

  /** Nest calls this once for all gateways, because they set no port or path of their own. */
  create(): WebSocketServer {
    const server = this.http.httpAdapter.getHttpServer() as Server;
    const declined = new DeclinedUpgrades(server);
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      if (offersWebSocket(request))
        background(this.upgrade(request, socket, head), this.logger, 'upgrade.failed');
      else declined.handBack(request, socket, head);
    });
    return this.server;
  }

  override bindClientConnect(_server: WebSocketServer, bind: (client: object) => void): void {
    bind(EVERY_SOCKET);
  }

  override bindClientDisconnect(): void {
    // Sockets report their close to the registry; Nest has no listener on them.
  }

  bindMessageHandlers(_client: object, handlers: WsMessageHandler<string>[]): void {
    for (const { message, callback } of handlers) this.dispatcher.register(message, callback as never);
  }

  override async close(): Promise<void> {
    // The drain has closed all sockets with a close frame, and Nest closes the HTTP server.
  }

  private async upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    // Without a listener, a client reset while we wait for Redis would crash the process.
    socket.on('error', onLateError);
    const complete: Complete = (start, answerHeaders) => {
      if (socket.destroyed) return false;
      let hasOpened = false;
      this.answerHeaders.set(request, answerHeaders);
      // The library takes no list.
      request.headers.upgrade = 'websocket';
      // The handshake response and the first frame go out in one write.
      socket.cork();
      socket.off('error', onLateError);
      this.server.handleUpgrade(request, socket, head, (opened) => {
        hasOpened = true;
        start(opened, socket);
      });
      socket.uncork();
      return hasOpened;
    };
    try {
      await this.admission.admit(request, complete);
    } catch (error) {
      refuseUpgrade(socket, pathOf(request.url), toAppError(error));
    }
  }
}

/** Nothing to do: later code checks `socket.destroyed` and `socket.writable`. */
function onLateError(): void {
  return;
}
