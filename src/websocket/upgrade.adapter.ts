import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { WsMessageHandler } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AbstractWsAdapter } from '@nestjs/websockets';
import { WebSocketServer } from 'ws';
import { LIMITS, SUBPROTOCOL } from '../../protocol/messages.js';
import { type Admission, UnifiedAuthenticationService } from '../auth/unified-authentication.service.js';
import type { UpgradeRequest } from '../auth/upgrade-credentials.js';
import { toAppError } from '../errors/problem.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { Metrics } from '../observability/metrics.js';
import { AuthenticatedSocket, type SocketIdentity } from './authenticated-socket.js';
import { ConnectionRegistry } from './connection-registry.js';
import { FrameDispatcher } from './frame-dispatcher.js';
import { parseHandshake, pathOf, refuseUpgrade, toPublicRefusal } from './handshake.js';
import { SocketLifecycle } from './socket-lifecycle.js';
import { UpgradeGate } from './upgrade-gate.js';

/** Closing handshakes that a client does not answer are given up after this. */
const CLOSE_TIMEOUT_MS = 5000;

/**
 * Stands in for a socket when Nest binds its handlers: it binds them once, to this, and every socket shares them. The
 * handlers get their socket with each frame instead.
 */
const EVERY_SOCKET = Object.freeze({});

/**
 * From an HTTP upgrade to an open socket. Everything is decided before the handshake completes, and each refusal is a
 * whole HTTP response. Extends Nest's adapter, so that gateways, guards and filters work as in any Nest application.
 */
@Injectable()
export class UpgradeAdapter extends AbstractWsAdapter implements BeforeApplicationShutdown {
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
  private isListening = false;

  constructor(
    private readonly http: HttpAdapterHost,
    private readonly gate: UpgradeGate,
    private readonly authentication: UnifiedAuthenticationService,
    private readonly registry: ConnectionRegistry,
    private readonly lifecycle: SocketLifecycle,
    private readonly dispatcher: FrameDispatcher,
    private readonly logger: AppLogger,
    private readonly metrics: Metrics,
  ) {
    super();
  }

  /** Called by Nest once for all gateways, because they name no port and no path of their own. */
  create(): WebSocketServer {
    if (!this.isListening) {
      this.isListening = true;
      const server = this.http.httpAdapter.getHttpServer() as Server;
      server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
        background(this.upgrade(request, socket, head), this.logger, 'upgrade.failed');
      });
    }
    return this.server;
  }

  override bindClientConnect(_server: WebSocketServer, bind: (client: object) => void): void {
    bind(EVERY_SOCKET);
  }

  override bindClientDisconnect(): void {
    // Sockets announce their end to the registry; Nest has nothing bound to them.
  }

  bindMessageHandlers(_client: object, handlers: WsMessageHandler<string>[]): void {
    for (const { message, callback } of handlers) this.dispatcher.register(message, callback as never);
  }

  override async close(): Promise<void> {
    // The registry has closed the sockets, with a close frame each; the HTTP server is Nest's own.
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.gate.drain();
    await this.lifecycle.allClosed(CLOSE_TIMEOUT_MS + 1000);
  }

  private async upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    // A client that resets while we ask Redis would end the process if nobody listened.
    socket.on('error', onLateError);
    const path = pathOf(request.url);
    let pass: (() => void) | undefined;
    try {
      const handshake = parseHandshake(request);
      pass = await this.gate.enter(request);
      await this.admit(request, handshake, socket, head);
    } catch (error) {
      this.refuse(socket, path, error);
    } finally {
      pass?.();
    }
  }

  private async admit(
    request: IncomingMessage,
    handshake: UpgradeRequest,
    socket: Socket,
    head: Buffer,
  ): Promise<void> {
    const admission = await this.authentication.authenticateUpgrade(handshake);
    const identity = identityOf(admission, this.gate.addressOf(request));
    try {
      await this.registry.admit(identity);
    } catch (error) {
      await this.authentication.settle(admission, { refusal: toAppError(error) });
      throw error;
    }
    background(
      this.authentication.settle(admission, { connectionId: identity.connectionId }),
      this.logger,
      'ticket.settle_failed',
    );
    if (socket.destroyed) {
      background(this.registry.release(identity), this.logger, 'connection.leave_failed');
      return;
    }
    // The answer to the handshake and the first frame leave in one write.
    let hasOpened = false;
    socket.cork();
    socket.off('error', onLateError);
    this.server.handleUpgrade(request, socket, head, (opened) => {
      hasOpened = true;
      this.lifecycle.start(opened, identity, socket);
    });
    socket.uncork();
    // The library drops a client that has hung up meanwhile, without a word: its place must not stay taken.
    if (!hasOpened) {
      background(this.registry.release(identity), this.logger, 'connection.leave_failed');
      return;
    }
    this.metrics.upgrades.labels('accepted', 'none').inc();
  }

  private refuse(socket: Socket, path: string, thrown: unknown): void {
    const error = toAppError(thrown);
    this.metrics.upgrades.labels('refused', error.code).inc();
    if (error.code === 'internal') this.logger.critical('upgrade.broken', { error: String(error.cause) });
    refuseUpgrade(socket, path, toPublicRefusal(error));
  }
}

function identityOf({ user, ticket, clientId, conversationId }: Admission, address: string): SocketIdentity {
  return {
    user,
    connectionId: `con_${randomBytes(15).toString('base64url')}`,
    clientId: clientId ?? randomUUID(),
    conversationId,
    ticketId: ticket.claims.ticket_id,
    address,
  };
}

/** The socket is gone, which `socket.destroyed` and `socket.writable` say where it matters. */
function onLateError(): void {
  return;
}
