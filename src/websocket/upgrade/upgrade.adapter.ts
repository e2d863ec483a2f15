import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { WsMessageHandler } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AbstractWsAdapter } from '@nestjs/websockets';
import { WebSocketServer } from 'ws';
import { LIMITS, SUBPROTOCOL } from '../../../protocol/messages.js';
import type { Admission, TakePlace } from '../../auth/admission.js';
import { UnifiedAuthenticationService } from '../../auth/unified-authentication.service.js';
import { requireOneCredential, type UpgradeRequest } from '../../auth/upgrade-credentials.js';
import type { AppError } from '../../errors/app-error.js';
import { toAppError } from '../../errors/problem.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { severityOf } from '../../observability/refusal-severity.js';
import { RefusalLogService } from '../../observability/refusal-log.service.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { AuthenticatedSocket, type SocketIdentity } from '../socket/authenticated-socket.js';
import { ConnectionRegistry } from '../connections/connection.registry.js';
import { FrameDispatcherService } from '../frames/frame-dispatcher.service.js';
import { parseHandshake, pathOf, refuseUpgrade, toPublicRefusal } from './handshake.js';
import { PendingSocketService } from './pending-socket.service.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';
import { SocketLifecycleService } from '../connections/socket-lifecycle.service.js';
import { UpgradeGateService, type UpgradePass } from './upgrade-gate.service.js';

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
  /** Upgrades that came by an old way, whose answers say until when it is open. */
  private readonly isOld = new WeakSet<IncomingMessage>();

  constructor(
    private readonly http: HttpAdapterHost,
    private readonly gate: UpgradeGateService,
    private readonly authentication: UnifiedAuthenticationService,
    private readonly registry: ConnectionRegistry,
    private readonly lifecycle: SocketLifecycleService,
    private readonly dispatcher: FrameDispatcherService,
    private readonly refusals: RefusalLogService,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
    private readonly pending: PendingSocketService,
  ) {
    super();
    const { others } = authentication;
    if (others === undefined) return;
    this.server.on('headers', (headers: string[], request: IncomingMessage) => {
      if (!this.isOld.has(request)) return;
      for (const [name, value] of Object.entries(others.answerHeaders)) headers.push(`${name}: ${value}`);
    });
  }

  /** Called by Nest once for all gateways, because they name no port and no path of their own. */
  create(): WebSocketServer {
    const server = this.http.httpAdapter.getHttpServer() as Server;
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      background(this.upgrade(request, socket, head), this.logger, 'upgrade.failed');
    });
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
    // The drain has closed the sockets, with a close frame each; the HTTP server is Nest's own.
  }

  private async upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    // A client that resets while we ask Redis would end the process if nobody listened.
    socket.on('error', onLateError);
    let pass: UpgradePass | undefined;
    let isAsked = false;
    try {
      const handshake = parseHandshake(request);
      handshake.address = this.gate.addressOf(request);
      requireOneCredential(handshake);
      pass = await this.gate.enter(handshake.address);
      if (this.authentication.awaitsFirstMessage(handshake)) {
        await this.openPending(request, socket, head, { handshake, pass });
        return;
      }
      const { refusal } = pass;
      isAsked = true;
      const { identity, replaced } = await this.authenticate(request, refusal, (takePlace) =>
        this.authentication.authenticateUpgrade(handshake, takePlace),
      );
      if (identity.ticketId === undefined) this.isOld.add(request);
      if (this.open(request, socket, head, identity)) this.registry.replace(replaced);
    } catch (error) {
      const decided = toAppError(error);
      const refusal = (await pass?.refusal) ?? decided;
      // What the authentication service has decided, it has reported.
      if (!isAsked || refusal.code !== decided.code) this.logUndecided(request, refusal);
      this.refuse(socket, pathOf(request.url), refusal);
    } finally {
      pass?.leave();
    }
  }

  private async authenticate(
    request: IncomingMessage,
    limit: UpgradePass['refusal'],
    admit: (takePlace: TakePlace) => Promise<Admission>,
  ): Promise<{ identity: SocketIdentity; replaced: readonly string[] }> {
    const connectionId = `con_${randomUUID()}`;
    let place: ConnectionIdentity | undefined;
    let replaced: readonly string[] = [];
    const takePlace: TakePlace = async (claims) => {
      const clientId = claims.client_id ?? randomUUID();
      const { user_id: userId, session_id: sessionId } = claims;
      place = { userId, sessionId, clientId, connectionId, nodeId: this.registry.nodeId };
      const [refusal, admitted] = await Promise.all([limit, this.registry.admit(place)]);
      replaced = admitted;
      if (refusal !== undefined) throw refusal;
    };
    try {
      const admission = await admit(takePlace);
      const settled = this.authentication.settle(admission, connectionId);
      background(settled, this.logger, 'ticket.settle_failed');
      const { user, conversationId, ticket } = admission;
      const ticketId = ticket?.claims.ticket_id;
      const address = this.gate.addressOf(request);
      const { origin } = request.headers;
      return { identity: { ...place!, user, conversationId, ticketId, address, origin }, replaced };
    } catch (error) {
      if (place !== undefined) this.release(place);
      throw error;
    }
  }

  private open(request: IncomingMessage, socket: Socket, head: Buffer, identity: SocketIdentity): boolean {
    let hasOpened = false;
    if (!socket.destroyed) {
      // The answer to the handshake and the first frame leave in one write.
      socket.cork();
      socket.off('error', onLateError);
      this.server.handleUpgrade(request, socket, head, (opened) => {
        hasOpened = true;
        this.lifecycle.start(opened, identity, socket);
      });
      socket.uncork();
    }
    if (hasOpened) this.metrics.upgrades.labels('accepted', 'none').inc();
    // A client that has hung up meanwhile is dropped without a word: its place must not stay taken.
    else this.release(identity);
    return hasOpened;
  }

  /** An old way in: the handshake completes first, and nobody is behind the socket until its first frame says who. */
  private async openPending(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    { handshake, pass }: { handshake: UpgradeRequest; pass: UpgradePass },
  ): Promise<void> {
    this.pending.requireRoom();
    const refusal = await pass.refusal;
    if (refusal !== undefined) throw refusal;
    if (socket.destroyed) return;
    socket.off('error', onLateError);
    this.isOld.add(request);
    this.server.handleUpgrade(request, socket, head, (opened) => {
      this.metrics.upgrades.labels('accepted', 'none').inc();
      this.pending.add(opened, socket, async (text) => {
        const { identity, replaced } = await this.authenticate(
          request,
          Promise.resolve(undefined),
          (takePlace) => this.authentication.authenticateFirstMessage(text, handshake, takePlace),
        );
        if (opened.readyState !== opened.OPEN) {
          this.release(identity);
          return;
        }
        this.pending.release(opened, () => this.lifecycle.start(opened, identity, socket));
        this.registry.replace(replaced);
      });
    });
  }

  private release(place: ConnectionIdentity): void {
    background(this.registry.release(place), this.logger, 'connection.leave_failed');
  }

  /** What the authentication service did not refuse, which logs its own refusals. */
  private logUndecided(request: IncomingMessage, { code, detail }: AppError): void {
    const address = this.gate.addressOf(request);
    this.refusals.write(severityOf(code), 'upgrade.refused', code, address, {
      reason: code,
      detail,
      address,
    });
  }

  private refuse(socket: Socket, path: string, thrown: unknown): void {
    const error = toAppError(thrown);
    this.metrics.upgrades.labels('refused', error.code).inc();
    if (error.code === 'internal') this.logger.critical('upgrade.broken', { error: String(error.cause) });
    refuseUpgrade(socket, path, toPublicRefusal(error));
  }
}

/** The socket is gone, which `socket.destroyed` and `socket.writable` say where it matters. */
function onLateError(): void {
  return;
}
