import { Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit/audit-log.service.js';
import type { AppError } from '../../errors/app-error.js';
import { background } from '../../observability/background.js';
import { KNOWN_CLOSE_CODES } from '../../observability/label-values.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { RefusalLogService } from '../../observability/refusal-log.service.js';
import { TicketService } from '../../ticket/ticket.service.js';
import { redisNow } from '../../redis/redis-clock.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';

/** Writes metrics, logs, audit entries and ticket receipts about open sockets. */
@Injectable()
export class ConnectionReportService {
  constructor(
    private readonly metrics: MetricsService,
    private readonly logger: AppLogger,
    private readonly refusals: RefusalLogService,
    private readonly audit: AuditLogService,
    private readonly tickets: TicketService,
  ) {}

  /** @param sessions number of sessions that now have a socket on this node */
  opened(sessions: number): void {
    this.metrics.connections.inc();
    this.metrics.sessionsActive.set(sessions);
  }

  /** @param sessions as in `opened` */
  closed(socket: AuthenticatedSocket, end: { code: number; reason: string }, sessions: number): void {
    const { code, reason } = end;
    this.metrics.connections.dec();
    this.metrics.sessionsActive.set(sessions);
    this.metrics.connectionDuration.observe((redisNow() - socket.openedAtMs) / 1000);
    const label = KNOWN_CLOSE_CODES.has(code) ? String(code) : 'other';
    this.metrics.closes.labels(label, socket.sentClose === undefined ? 'client' : 'server').inc();
    const { ticketId, connectionId, user } = socket.identity;
    this.audit.record('connection.closed', user.userId, { connection_id: connectionId, code, reason });
    if (ticketId === undefined) return;
    const consumed = {
      ticket_id: ticketId,
      at: new Date(socket.openedAtMs).toISOString(),
      connection_id: connectionId,
      user_id: user.userId,
    };
    this.tickets.recordClose(consumed, { code, reason });
  }

  /** @param endedAtMs when the session ended, in milliseconds since the epoch */
  revoked(endedAtMs: number): void {
    this.metrics.revocationClose.observe(Math.max(0, redisNow() - endedAtMs) / 1000);
  }

  /** A pong arrived this many milliseconds after its ping. */
  answered(afterMs: number): void {
    this.metrics.heartbeatRtt.observe(afterMs / 1000);
  }

  slow({ connectionId, unsentBytes }: AuthenticatedSocket): void {
    this.metrics.slowConsumers.inc();
    this.logger.warn('socket.slow', { connection_id: connectionId, unsent_bytes: unsentBytes });
  }

  protocolError({ connectionId }: AuthenticatedSocket, error: Error): void {
    this.logger.info('socket.protocol_error', { connection_id: connectionId, error: error.message });
  }

  frameSent(type: string): void {
    this.metrics.frameSent(type);
  }

  /** Logs a frame that was answered with an error. @returns the trace id of the log entry */
  refused({ user: { userId }, connectionId }: AuthenticatedSocket, { code, detail }: AppError): string {
    const fields = { reason: code, detail, user_id: userId, connection_id: connectionId };
    return this.refusals.write('warn', 'frame.refused', code, userId, fields);
  }

  /** Runs work in the background and logs its failure as `event`. */
  follow(work: Promise<unknown>, event: string): void {
    background(work, this.logger, event);
  }
}
