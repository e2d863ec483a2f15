import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { ConnectionDirectoryStore } from './connection-directory.store.js';
import type { ConnectionEntry, ConnectionPage } from './connection-entry.js';
import { ConnectionLedgerService } from './connection-ledger.service.js';
import { ConnectionRegistry } from './connection.registry.js';
import { NodeRosterService } from './node-roster.service.js';

/** Also how long a Redis that has lost its data may not know the open connections. */
const KEEP_INTERVAL_MS = 2000;

/** Lists the connections of the whole cluster for administrators, on any node. */
@Injectable()
export class ConnectionDirectoryService implements OnModuleInit, OnModuleDestroy {
  private readonly task: RepeatingTask;

  constructor(
    private readonly store: ConnectionDirectoryStore,
    private readonly registry: ConnectionRegistry,
    private readonly roster: NodeRosterService,
    private readonly ledger: ConnectionLedgerService,
    logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.keep(), logger, 'connection.keep_failed', KEEP_INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(KEEP_INTERVAL_MS);
    // Other nodes took this one for dead, and may have removed its connections from those of their users.
    this.roster.onReturned(() => this.listAgain());
    // 4101, not 4403: the user's rights are unchanged. An operator empties a node or ends a hanging socket, and the client
    // reconnects with a new ticket. To keep a user out, revoke the session or disable the user.
    this.store.onEnd((id) => this.registry.find(id)?.endWith('rebalance'));
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  /**
   * Returns a page of connections, sorted by their random ids: a connection that stays open is on exactly one page.
   * @param after the last id of the previous page.
   */
  async list(after: string | undefined, limit: number): Promise<ConnectionPage> {
    const all = (await this.store.ids(await this.roster.readLiving())).sort((a, b) => (a.id < b.id ? -1 : 1));
    const start = after === undefined ? 0 : all.findIndex(({ id }) => id > after);
    if (start === -1) return { connections: [] };
    const page = all.slice(start, start + limit);
    const connections = await this.store.read(page);
    const last = page.at(-1);
    return start + limit < all.length && last !== undefined
      ? { connections, next_cursor: last.id }
      : { connections };
  }

  /** Ends a connection on any node. Returns `undefined` if there is none with this id. */
  async end(connectionId: string): Promise<ConnectionEntry | undefined> {
    const entry = await this.store.find(await this.roster.readLiving(), connectionId);
    if (entry !== undefined) await this.store.publishEnd(connectionId);
    return entry;
  }

  private async keep(): Promise<number> {
    try {
      if (!(await this.store.keep(this.registry.nodeId))) this.listAgain();
    } catch (error) {
      // While Redis is down, its breaker reports it.
      if (!(error instanceof AppError)) throw error;
    }
    return KEEP_INTERVAL_MS;
  }

  private listAgain(): void {
    for (const socket of this.registry.all()) this.ledger.again(socket);
  }
}
