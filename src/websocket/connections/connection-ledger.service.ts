import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { Config } from '../../config/config.js';
import { AppLogger } from '../../observability/logger.js';
import { WriteBatch } from '../../resilience/write-batch.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';
import type { ConnectionEntry } from './connection-entry.js';
import { ConnectionDirectoryStore } from './connection-directory.store.js';
import { ConnectionStore } from './connection.store.js';

/** How long Redis may not know of a connection that has opened or closed. */
const DELAY_MS = 100;
const MAX_PER_WRITE = 500;
/** More than a node can hold open. */
const MAX_WAITING = 200_000;

type Change =
  | { kind: 'opened'; identity: ConnectionIdentity; entry: ConnectionEntry; isUncounted: boolean }
  | { kind: 'closed'; identity: ConnectionIdentity };

/**
 * Tells Redis which connections this node holds: what opened and closed within 100 ms in one write. When Redis is down
 * the changes wait, so a connection that has closed does not stay counted.
 */
@Injectable()
export class ConnectionLedgerService implements BeforeApplicationShutdown {
  private readonly changes = new WriteBatch<Change>({
    delayMs: DELAY_MS,
    maxPerWrite: MAX_PER_WRITE,
    maxWaiting: MAX_WAITING,
    write: (changes) => this.write(changes),
    failed: (error, waiting) => this.failed(error, waiting),
    dropped: ({ identity }) =>
      this.logger.critical('connection.forgotten', { connection_id: identity.connectionId }),
  });

  constructor(
    private readonly config: Config,
    private readonly connections: ConnectionStore,
    private readonly directory: ConnectionDirectoryStore,
    private readonly logger: AppLogger,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  /** Lists a connection, which is already counted. */
  opened(socket: AuthenticatedSocket): void {
    this.list(socket, false);
  }

  /** Lists and counts a connection of which Redis may know nothing any more. */
  again(socket: AuthenticatedSocket): void {
    this.list(socket, true);
  }

  /** Stops counting a connection that never opened or has closed. */
  closed(identity: ConnectionIdentity): void {
    // Removed from the list also when its opening still waits to be told: that may be told for the second time.
    this.changes.put(identity.connectionId, { kind: 'closed', identity });
  }

  /** Tells Redis now. Resolves also when that fails. */
  flush(): Promise<void> {
    return this.changes.flush();
  }

  private list(socket: AuthenticatedSocket, isUncounted: boolean): void {
    const { identity, user, openedAtMs } = socket;
    const entry = {
      connection_id: identity.connectionId,
      user_id: user.userId,
      email: user.email,
      session_id: user.sessionId,
      client_id: identity.clientId,
      node: this.config.nodeName,
      address: identity.address,
      connected_at: new Date(openedAtMs).toISOString(),
    };
    this.changes.put(identity.connectionId, { kind: 'opened', identity, entry, isUncounted });
  }

  private async write(changes: readonly Change[]): Promise<void> {
    const opened = changes.filter((change) => change.kind === 'opened');
    const closed = changes.filter((change) => change.kind === 'closed');
    const nodeId = changes[0]!.identity.nodeId;
    await Promise.all([
      this.directory.change(
        nodeId,
        opened.map(({ entry }) => entry),
        closed.map(({ identity }) => identity.connectionId),
      ),
      this.connections.leave(closed.map(({ identity }) => identity)),
      this.connections.enter(opened.filter(({ isUncounted }) => isUncounted).map(({ identity }) => identity)),
    ]);
  }

  private failed(error: unknown, waiting: number): void {
    // While Redis is down, its breaker reports it.
    if (!(error instanceof AppError))
      this.logger.error('connection.list_failed', { error: String(error), waiting });
  }
}
