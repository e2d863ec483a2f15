import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { toAppError } from '../../errors/problem.js';
import { SessionService } from '../../session/session.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { ConnectionReportService } from './connection-report.service.js';
import { ConnectionRegistry } from './connection.registry.js';

/** An open connection touches its session at most this often. */
const TOUCH_INTERVAL_MS = 60_000;

/** Checks the sessions of open sockets, so that a lost revocation message costs at most one heartbeat. */
@Injectable()
export class SessionWatchService {
  private readonly touchIntervalMs: number;

  constructor(
    config: Config,
    private readonly registry: ConnectionRegistry,
    private readonly sessions: SessionService,
    private readonly report: ConnectionReportService,
  ) {
    this.touchIntervalMs = Math.min(TOUCH_INTERVAL_MS, (config.sessionTtlSeconds * 1000) / 3);
  }

  /** Checks at each heartbeat, and in between when the session would otherwise expire. */
  look(socket: AuthenticatedSocket, isBeat: boolean, now: number): void {
    const isTouchDue = now - socket.touchedAtMs >= this.touchIntervalMs;
    if (isBeat || isTouchDue) this.report.follow(this.verify(socket, isTouchDue, now), 'heartbeat.failed');
  }

  private async verify(socket: AuthenticatedSocket, shouldTouch: boolean, now: number): Promise<void> {
    const { userId, sessionId } = socket.user;
    if (shouldTouch) socket.touchedAtMs = now;
    try {
      const session = await (shouldTouch
        ? this.sessions.touch(userId, sessionId)
        : this.sessions.check(userId, sessionId));
      // The message about a changed role was lost: the client must reconnect to get the new role.
      if (session.role !== socket.user.role) this.registry.endRoleChanged(socket);
    } catch (error) {
      const reason = toAppError(error);
      // While a dependency is down, the grace period decides, not a single failed check.
      if (reason.code === 'dependency_unavailable') return;
      socket.endRevoked(reason.code);
    }
  }
}
