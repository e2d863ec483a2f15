import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AuditLogService } from '../../audit/audit-log.service.js';
import { background } from '../../observability/background.js';
import { KNOWN_CLOSE_CODES } from '../../observability/label-values.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import type { ChangedSession, EndedSession } from '../../session/session-record.js';
import { SessionService } from '../../session/session.service.js';
import { TicketService } from '../../ticket/ticket.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { ConnectionStore } from './connection.store.js';
import { NodeRosterService } from './node-roster.service.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';
import { redisNow } from '../../redis/redis-clock.js';

type Listener = (socket: AuthenticatedSocket) => void | Promise<void>;

/** The open sockets of this node, and what must happen to them when a session ends or a newer socket takes over. */
@Injectable()
export class ConnectionRegistry implements OnModuleInit {
  private readonly sockets = new Map<string, AuthenticatedSocket>();
  private readonly bySession = new Map<string, Set<AuthenticatedSocket>>();
  private readonly readyListeners: Listener[] = [];
  private readonly closedListeners: Listener[] = [];
  private readonly renewedListeners: Listener[] = [];

  constructor(
    private readonly store: ConnectionStore,
    private readonly roster: NodeRosterService,
    private readonly sessions: SessionService,
    private readonly tickets: TicketService,
    private readonly audit: AuditLogService,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    background(
      this.sessions.onEnded((ended) => this.closeSession(ended)),
      this.logger,
      'session.listen_failed',
    );
    background(
      this.sessions.onChanged((changed) => this.closeChanged(changed)),
      this.logger,
      'session.listen_failed',
    );
    background(
      this.store.onReplaced((id) => this.endReplaced(id)),
      this.logger,
      'connection.listen_failed',
    );
  }

  /** Calls `listener` for each socket after its `ready` frame. */
  onReady(listener: Listener): void {
    this.readyListeners.push(listener);
  }

  /** Calls `listener` for each socket that is gone. */
  onClosed(listener: Listener): void {
    this.closedListeners.push(listener);
  }

  /** Calls `listener` for each socket at each of its heartbeats. */
  onRenewed(listener: Listener): void {
    this.renewedListeners.push(listener);
  }

  /** This process, as places name it. */
  get nodeId(): string {
    return this.roster.nodeId;
  }

  /**
   * Takes a place for a connection that is about to open.
   * @returns the connections of the same client, which `replace` ends once this one is open. Should it never be, their
   * next heartbeat enters them again.
   * @throws {AppError} `connection_limit` when session or user have too many on all nodes together.
   */
  async admit(place: ConnectionIdentity): Promise<readonly string[]> {
    const outcome = await this.store.admit(place, this.roster.livingNodes);
    if (outcome === 'session' || outcome === 'user') {
      throw new AppError('connection_limit', { detail: `this ${outcome} has as many connections as it may` });
    }
    return outcome;
  }

  /** Ends connections, on whichever node, whose place a newer one has taken. */
  replace(connectionIds: readonly string[]): void {
    if (connectionIds.length === 0) return;
    background(this.store.publishReplaced(connectionIds), this.logger, 'connection.replace_failed');
  }

  /** Gives a place back that no connection took. */
  release(place: ConnectionIdentity): Promise<void> {
    return this.store.leave(place);
  }

  opened(socket: AuthenticatedSocket): void {
    this.sockets.set(socket.connectionId, socket);
    const { sessionId } = socket.user;
    const siblings = this.bySession.get(sessionId);
    if (siblings === undefined) this.bySession.set(sessionId, new Set([socket]));
    else siblings.add(socket);
    this.metrics.connections.inc();
    this.metrics.sessionsActive.set(this.bySession.size);
  }

  ready(socket: AuthenticatedSocket): void {
    this.tell(this.readyListeners, socket);
  }

  closed(socket: AuthenticatedSocket, code: number, reason: string): void {
    if (!this.sockets.delete(socket.connectionId)) return;
    const { sessionId } = socket.user;
    const siblings = this.bySession.get(sessionId);
    siblings?.delete(socket);
    if (siblings?.size === 0) this.bySession.delete(sessionId);
    this.metrics.connections.dec();
    this.metrics.sessionsActive.set(this.bySession.size);
    this.metrics.connectionDuration.observe((redisNow() - socket.openedAtMs) / 1000);
    const label = KNOWN_CLOSE_CODES.has(code) ? String(code) : 'other';
    this.metrics.closes.labels(label, socket.sentClose === undefined ? 'client' : 'server').inc();
    this.tell(this.closedListeners, socket);
    const { ticketId, connectionId, user } = socket.identity;
    this.audit.record('connection.closed', user.userId, { connection_id: connectionId, code, reason });
    background(this.store.leave(socket.identity), this.logger, 'connection.leave_failed');
    if (ticketId === undefined) return;
    const consumed = {
      ticket_id: ticketId,
      at: new Date(socket.openedAtMs).toISOString(),
      connection_id: connectionId,
      user_id: user.userId,
    };
    background(this.tickets.recordClose(consumed, { code, reason }), this.logger, 'ticket.receipt_failed');
  }

  /** A connection of this node. */
  find(connectionId: string): AuthenticatedSocket | undefined {
    return this.sockets.get(connectionId);
  }

  all(): IterableIterator<AuthenticatedSocket> {
    return this.sockets.values();
  }

  get size(): number {
    return this.sockets.size;
  }

  /** Says that a connection is still there. */
  renew(socket: AuthenticatedSocket): Promise<void> {
    this.tell(this.renewedListeners, socket);
    return this.store.renew(socket.identity);
  }

  private closeSession({ session_id: sessionId, reason, ended_at: endedAtMs }: EndedSession): void {
    for (const socket of [...(this.bySession.get(sessionId) ?? [])]) {
      socket.endRevoked(reason);
      this.metrics.revocationClose.observe(Math.max(0, redisNow() - endedAtMs) / 1000);
    }
  }

  /** A socket has the rights with which it was opened: with others it comes back. */
  private closeChanged({ session_id: sessionId }: ChangedSession): void {
    for (const socket of [...(this.bySession.get(sessionId) ?? [])]) socket.endWith('auth_expired');
  }

  private endReplaced(connectionId: string): void {
    const socket = this.sockets.get(connectionId);
    socket?.endWith(socket.isToldToMove ? 'handoff_done' : 'replaced');
  }

  private tell(listeners: readonly Listener[], socket: AuthenticatedSocket): void {
    for (const listener of listeners) {
      const outcome = listener(socket);
      if (outcome !== undefined) background(outcome, this.logger, 'connection.listener_failed');
    }
  }
}
