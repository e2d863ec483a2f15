import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import type { ConnectionEntry, ConnectionPage, StoredConnection } from './connection-entry.js';
import { ConnectionDirectoryStore } from './connection-directory.store.js';
import { ConnectionRegistry } from './connection.registry.js';
import { NodeRosterService } from './node-roster.service.js';

/** Lists the connections of the whole cluster for administrators, on any node. */
@Injectable()
export class ConnectionDirectoryService implements OnModuleInit {
  constructor(
    private readonly config: Config,
    private readonly store: ConnectionDirectoryStore,
    private readonly registry: ConnectionRegistry,
    private readonly roster: NodeRosterService,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    this.registry.onReady((socket) => this.store.keep(this.toEntry(socket)));
    this.registry.onRenewed((socket) => this.keepOpen(socket));
    this.registry.onClosed((socket) => this.store.remove(socket.connectionId));
    background(
      // 4101, not 4403: the user's rights are unchanged. An operator empties a node or ends a hanging socket, and the
      // client reconnects with a new ticket. To keep a user out, revoke the session or disable the user.
      this.store.onEnd((id) => this.registry.find(id)?.endWith('rebalance')),
      this.logger,
      'connection.listen_failed',
    );
  }

  /**
   * Returns a page of connections, sorted by their random ids: a connection that stays open is on exactly one page.
   * @param after the last id of the previous page.
   */
  async list(after: string | undefined, limit: number): Promise<ConnectionPage> {
    const ids = (await this.store.ids()).sort();
    const start = after === undefined ? 0 : ids.findIndex((id) => id > after);
    if (start === -1) return { connections: [] };
    const page = ids.slice(start, start + limit);
    const living = this.roster.livingNodes;
    // Leaves out the entries of killed nodes.
    const found = (await this.store.read(page)).filter(
      ({ node_id }) => living === undefined || living.includes(node_id),
    );
    const connections = found.map(({ node_id: _, ...entry }): ConnectionEntry => entry);
    const last = page.at(-1);
    return start + limit < ids.length && last !== undefined
      ? { connections, next_cursor: last }
      : { connections };
  }

  /** Ends a connection on any node. Returns `undefined` if there is none with this id. */
  async end(connectionId: string): Promise<ConnectionEntry | undefined> {
    const entry = await this.store.find(connectionId);
    if (entry !== undefined) await this.store.publishEnd(connectionId);
    return entry;
  }

  /** A heartbeat that completes after the close must not add the connection again. */
  private async keepOpen(socket: AuthenticatedSocket): Promise<void> {
    if (this.registry.find(socket.connectionId) !== undefined) await this.store.keep(this.toEntry(socket));
  }

  private toEntry({ identity, user, openedAtMs }: AuthenticatedSocket): StoredConnection {
    return {
      connection_id: identity.connectionId,
      user_id: user.userId,
      email: user.email,
      session_id: user.sessionId,
      client_id: identity.clientId,
      node: this.config.nodeName,
      node_id: identity.nodeId,
      address: identity.address,
      connected_at: new Date(openedAtMs).toISOString(),
    };
  }
}
