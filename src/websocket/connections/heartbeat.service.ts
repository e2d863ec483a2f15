import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { toAppError } from '../../errors/problem.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { background } from '../../observability/background.js';
import { RedisService } from '../../redis/redis.service.js';
import { SessionService } from '../../session/session.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { ConnectionRegistry } from './connection.registry.js';
import { redisNow } from '../../redis/redis-clock.js';

const TICK_MS = 1000;
/** After messages were lost all sockets are asked about at once, but not in the same moment. */
const CATCH_UP_MS = 1000;
export const PONG_TIMEOUT_MS = 10_000;
/** How long before the end of its time a socket is told. */
export const EXPIRY_WARNING_MS = 60_000;
/** How long after the end of its time a socket may still renew itself. */
const EXPIRY_GRACE_MS = 2000;
/** How long Redis or Postgres may be away before open sockets are closed. */
const DEPENDENCY_GRACE_MS = 30_000;
/** A live connection touches its session at most this often. */
const TOUCH_INTERVAL_MS = 60_000;

/**
 * One timer for all sockets of the node. It pings them, ends those that do not answer, asks whether their sessions
 * still live (so that a lost message about a revocation costs one interval at most), and ends those whose time is over.
 */
@Injectable()
export class HeartbeatService implements OnModuleInit, OnModuleDestroy {
  private readonly intervalMs: number;
  private readonly touchIntervalMs: number;
  private timer: NodeJS.Timeout | undefined;
  private lostSinceMs: number | undefined;

  constructor(
    config: Config,
    private readonly registry: ConnectionRegistry,
    private readonly sessions: SessionService,
    private readonly redis: RedisService,
    private readonly database: DatabaseService,
    private readonly metrics: MetricsService,
    private readonly logger: AppLogger,
  ) {
    this.intervalMs = config.heartbeatSeconds * 1000;
    this.touchIntervalMs = Math.min(TOUCH_INTERVAL_MS, (config.sessionTtlSeconds * 1000) / 3);
  }

  onModuleInit(): void {
    this.timer = setInterval(() => this.tick(Date.now()), TICK_MS);
    this.timer.unref();
    this.redis.onListeningAgain(() => this.hasten(Date.now()));
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Gives a new socket its place in the rhythm, at random, so that sockets that came together do not beat together. */
  join(socket: AuthenticatedSocket): void {
    socket.pingDueAtMs = Date.now() + this.intervalMs * (0.5 + Math.random() / 2);
  }

  /** A pong came. */
  beat(socket: AuthenticatedSocket): void {
    if (socket.pingSentAtMs === 0) return;
    this.metrics.heartbeatRtt.observe((Date.now() - socket.pingSentAtMs) / 1000);
    socket.pingSentAtMs = 0;
  }

  /** A revocation may have been among the messages that were lost. */
  private hasten(now: number): void {
    for (const socket of this.registry.all()) {
      socket.pingDueAtMs = Math.min(socket.pingDueAtMs, now + Math.random() * CATCH_UP_MS);
    }
  }

  private tick(now: number): void {
    const isLost = this.isDependencyLost(now);
    for (const socket of this.registry.all()) {
      if (isLost) socket.endWith('dependency_unavailable');
      else this.look(socket, now);
    }
  }

  private look(socket: AuthenticatedSocket, now: number): void {
    const leftMs = socket.user.expiresAtMs - redisNow();
    if (leftMs <= -EXPIRY_GRACE_MS) {
      socket.endWith('auth_expired');
      return;
    }
    if (leftMs <= EXPIRY_WARNING_MS && !socket.hasWarnedOfExpiry) {
      socket.hasWarnedOfExpiry = true;
      const expiresAt = new Date(socket.user.expiresAtMs).toISOString();
      socket.sendFrame({ type: 'auth.expiring', data: { expires_at: expiresAt } });
    }
    if (socket.pingSentAtMs !== 0 && now - socket.pingSentAtMs >= PONG_TIMEOUT_MS) {
      socket.endWith('heartbeat_timeout');
      return;
    }
    if (socket.isStalled(now)) {
      socket.endSlow();
      return;
    }
    const isTouchDue = now - socket.touchedAtMs >= this.touchIntervalMs;
    const isPingDue = now >= socket.pingDueAtMs;
    if (isPingDue && socket.pingSentAtMs === 0) {
      socket.pingDueAtMs = now + this.intervalMs;
      socket.pingSentAtMs = now;
      socket.ping();
    }
    if (isPingDue || isTouchDue)
      background(this.verify(socket, isTouchDue, now), this.logger, 'heartbeat.failed');
  }

  private async verify(socket: AuthenticatedSocket, shouldTouch: boolean, now: number): Promise<void> {
    const { userId, sessionId } = socket.user;
    if (shouldTouch) socket.touchedAtMs = now;
    try {
      const [session] = await Promise.all([
        shouldTouch ? this.sessions.touch(userId, sessionId) : this.sessions.check(userId, sessionId),
        this.registry.renew(socket),
      ]);
      // The message about a changed role was lost: the socket comes back with the new one.
      if (session.role !== socket.user.role) socket.endWith('auth_expired');
    } catch (error) {
      const reason = toAppError(error);
      // Without Redis the grace decides, not one failed question.
      if (reason.code === 'dependency_unavailable') return;
      socket.endRevoked(reason.code);
    }
  }

  private isDependencyLost(now: number): boolean {
    if (this.redis.isUp && this.database.isUp) {
      this.lostSinceMs = undefined;
      return false;
    }
    this.lostSinceMs ??= now;
    return now - this.lostSinceMs >= DEPENDENCY_GRACE_MS;
  }
}
