import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import type { ChangedSession, EndedSession } from '../../session/session-record.js';
import { SessionService } from '../../session/session.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { ConnectionLedgerService } from './connection-ledger.service.js';
import { ConnectionReportService } from './connection-report.service.js';
import { ConnectionStore } from './connection.store.js';
import { NodeRosterService } from './node-roster.service.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';

type Listener = (socket: AuthenticatedSocket) => void | Promise<void>;

/** The open sockets of this node. Closes them when their session ends or a newer socket replaces them. */
@Injectable()
export class ConnectionRegistry implements OnModuleInit {
  private readonly sockets = new Map<string, AuthenticatedSocket>();
  private readonly bySession = new Map<string, Set<AuthenticatedSocket>>();
  private readonly readyListeners: Listener[] = [];
  private readonly closedListeners: Listener[] = [];

  constructor(
    private readonly store: ConnectionStore,
    private readonly roster: NodeRosterService,
    private readonly sessions: SessionService,
    private readonly report: ConnectionReportService,
    private readonly ledger: ConnectionLedgerService,
  ) {}

  onModuleInit(): void {
    this.sessions.onEnded((ended) => this.closeSession(ended));
    this.sessions.onChanged((changed) => this.closeChanged(changed));
    this.store.onReplaced((id) => this.endReplaced(id));
  }

  /** Calls `listener` for each socket after its `ready` frame. */
  onReady(listener: Listener): void {
    this.readyListeners.push(listener);
  }

  /** Calls `listener` for each socket that has closed. */
  onClosed(listener: Listener): void {
    this.closedListeners.push(listener);
  }

  /** The id of this process in connection identities. */
  get nodeId(): string {
    return this.roster.nodeId;
  }

  /**
   * Counts a connection that is about to open among those of its user.
   * @returns the connections of the same client, which `replace` ends once this one is open.
   * @throws {AppError} `connection_limit` when the session or the user has too many, counted across all nodes.
   */
  async admit(connection: ConnectionIdentity): Promise<readonly string[]> {
    let outcome = await this.store.admit(connection);
    if (outcome === 'session' || outcome === 'user') {
      // Those that have just closed here, and those of dead nodes, do not count.
      await this.ledger.flush();
      outcome = await this.store.admit(connection, this.roster.livingNodes);
    }
    if (outcome === 'session' || outcome === 'user') {
      throw new AppError('connection_limit', { detail: `this ${outcome} has as many connections as it may` });
    }
    return outcome;
  }

  /** Ends connections, on any node, that a newer one has replaced. */
  replace(connectionIds: readonly string[]): void {
    if (connectionIds.length === 0) return;
    this.report.follow(this.store.publishReplaced(connectionIds), 'connection.replace_failed');
  }

  /** Stops counting a connection that never opened or has closed. */
  release(connection: ConnectionIdentity): void {
    this.ledger.closed(connection);
  }

  opened(socket: AuthenticatedSocket): void {
    this.sockets.set(socket.connectionId, socket);
    const { sessionId } = socket.user;
    const siblings = this.bySession.get(sessionId);
    if (siblings === undefined) this.bySession.set(sessionId, new Set([socket]));
    else siblings.add(socket);
    this.report.opened(this.bySession.size);
  }

  ready(socket: AuthenticatedSocket): void {
    this.ledger.opened(socket);
    this.tell(this.readyListeners, socket);
  }

  closed(socket: AuthenticatedSocket, code: number, reason: string): void {
    if (!this.sockets.delete(socket.connectionId)) return;
    const { sessionId } = socket.user;
    const siblings = this.bySession.get(sessionId);
    siblings?.delete(socket);
    if (siblings?.size === 0) this.bySession.delete(sessionId);
    this.report.closed(socket, { code, reason }, this.bySession.size);
    this.tell(this.closedListeners, socket);
    this.release(socket.identity);
  }

  /** Returns a connection of this node. */
  find(connectionId: string): AuthenticatedSocket | undefined {
    return this.sockets.get(connectionId);
  }

  all(): IterableIterator<AuthenticatedSocket> {
    return this.sockets.values();
  }

  get size(): number {
    return this.sockets.size;
  }

  /** A socket keeps the rights it was opened with. The client must reconnect to get the new ones. */
  endRoleChanged(socket: AuthenticatedSocket): void {
    socket.endWith('auth_expired', { cause: 'role_changed' });
  }

  private closeSession({ session_id: sessionId, reason, ended_at: endedAtMs }: EndedSession): void {
    for (const socket of [...(this.bySession.get(sessionId) ?? [])]) {
      socket.endRevoked(reason);
      this.report.revoked(endedAtMs);
    }
  }

  private closeChanged({ session_id: sessionId }: ChangedSession): void {
    for (const socket of [...(this.bySession.get(sessionId) ?? [])]) this.endRoleChanged(socket);
  }

  private endReplaced(connectionId: string): void {
    const socket = this.sockets.get(connectionId);
    socket?.endWith(socket.isToldToMove ? 'handoff_done' : 'replaced');
  }

  private tell(listeners: readonly Listener[], socket: AuthenticatedSocket): void {
    for (const listener of listeners) {
      const outcome = listener(socket);
      if (outcome !== undefined) this.report.follow(outcome, 'connection.listener_failed');
    }
  }
}
