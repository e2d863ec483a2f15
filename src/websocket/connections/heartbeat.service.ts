import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { AwakeClock } from '../../resilience/awake-clock.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { ConnectionReportService } from './connection-report.service.js';
import { ConnectionRegistry } from './connection.registry.js';
import { DependencyGraceService } from './dependency-grace.service.js';
import { SessionWatchService } from './session-watch.service.js';
import { redisNow } from '../../redis/redis-clock.js';

const TICK_MS = 1000;
/** After messages were lost, all sessions are checked soon, spread over this time. */
const CATCH_UP_MS = 1000;
export const PONG_TIMEOUT_MS = 10_000;
/** How long after it expires a socket may still renew itself. */
const EXPIRY_GRACE_MS = 2000;

/**
 * One timer for all sockets of the node. It pings them, ends those that do not answer, checks that their sessions are
 * still active (a lost message about a revocation costs at most one interval), and ends those that have expired. A node
 * that stood still reads what its clients sent meanwhile before it ends any of them.
 */
@Injectable()
export class HeartbeatService implements OnModuleInit, OnModuleDestroy {
  private readonly intervalMs: number;
  /** Only the end of a session or of an access token is a matter of real time. */
  private readonly clock = new AwakeClock();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    config: Config,
    private readonly registry: ConnectionRegistry,
    private readonly sessions: SessionWatchService,
    private readonly grace: DependencyGraceService,
    private readonly report: ConnectionReportService,
  ) {
    this.intervalMs = config.heartbeatSeconds * 1000;
  }

  onModuleInit(): void {
    // The loop reads from its sockets between a timer and what the timer schedules with setImmediate.
    this.timer = setInterval(() => setImmediate(() => this.tick()), TICK_MS);
    this.timer.unref();
    this.grace.onListeningAgain(() => this.hasten());
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Sets a random time for a new socket's first ping, so that sockets opened together are not pinged together. */
  join(socket: AuthenticatedSocket): void {
    socket.pingDueAtMs = this.clock.read() + this.intervalMs * (0.5 + Math.random() / 2);
  }

  /** A pong arrived. */
  beat(socket: AuthenticatedSocket): void {
    if (socket.pingSentAtMs === 0) return;
    this.report.answered(this.clock.read() - socket.pingSentAtMs);
    socket.pingSentAtMs = 0;
  }

  /** Checks all sockets soon: the lost messages may include a revocation. */
  private hasten(): void {
    const now = this.clock.read();
    for (const socket of this.registry.all()) {
      socket.pingDueAtMs = Math.min(socket.pingDueAtMs, now + Math.random() * CATCH_UP_MS);
    }
  }

  private tick(): void {
    const now = this.clock.read();
    const isLost = this.grace.isOver(now);
    for (const socket of this.registry.all()) {
      if (isLost) socket.endWith('dependency_unavailable');
      else this.look(socket, now);
    }
  }

  private look(socket: AuthenticatedSocket, now: number): void {
    const redisMs = redisNow();
    if (redisMs >= socket.user.expiresAtMs + EXPIRY_GRACE_MS) {
      socket.endWith('auth_expired');
      return;
    }
    if (redisMs >= socket.expiryWarningAtMs) {
      socket.expiryWarningAtMs = Infinity;
      const expiresAt = new Date(socket.user.expiresAtMs).toISOString();
      socket.sendFrame({ type: 'auth.expiring', data: { expires_at: expiresAt } });
    }
    // Nothing is read from a paused socket: its pong may wait behind other frames.
    if (socket.pingSentAtMs !== 0 && socket.isPaused) socket.pingSentAtMs = now;
    if (socket.pingSentAtMs !== 0 && now - socket.pingSentAtMs >= PONG_TIMEOUT_MS) {
      socket.endWith('heartbeat_timeout');
      return;
    }
    if (socket.isStalled(now)) {
      socket.endSlow();
      return;
    }
    const isPingDue = now >= socket.pingDueAtMs;
    if (isPingDue && socket.pingSentAtMs === 0) {
      socket.pingDueAtMs = now + this.intervalMs;
      socket.pingSentAtMs = now;
      socket.ping();
    }
    this.sessions.look(socket, isPingDue, Date.now());
  }
}
