import { Injectable } from '@nestjs/common';
import type { ErrorCode } from '../../protocol/errors.js';
import { socketPath, SUBPROTOCOL } from '../../protocol/messages.js';
import type { IssuedTicket, Receipt } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import type { UserContext } from '../identity/user-context.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import type { TicketEvent } from '../observability/label-values.js';
import { LimitReportService } from '../observability/limit-report.service.js';
import { MetricsService } from '../observability/metrics.service.js';
import { redisNow } from '../redis/redis-clock.js';
import { type LimitState, rateLimitHeaders } from '../redis/rate-limiter.service.js';
import { SpentTickets } from './spent-tickets.js';
import { newClaims, type TicketClaims, type TicketRequest } from './ticket-claims.js';
import { digestOf, digestOfId, hasTicketForm, newTicket, type TicketDigest } from './ticket.js';
import { currentReceipt, expiredReceipt, RECEIPT_TTL_SECONDS, type StoredReceipt } from './stored-receipt.js';
import { type TicketQuota, TicketStore } from './ticket.store.js';

/** A ticket that was removed from the store. It is used up, whatever the decision. */
export interface ConsumedTicket {
  digest: TicketDigest;
  claims: TicketClaims;
}

/**
 * Tickets: minted for a signed-in user, valid for one use within `WS_TICKET_TTL_SECONDS`. Redis holds only the digest,
 * and presenting a ticket deletes it before any check.
 */
@Injectable()
export class TicketService {
  private readonly spent = new SpentTickets();
  private readonly counted = (event: TicketEvent) => this.metrics.tickets.labels(event);

  constructor(
    private readonly config: Config,
    private readonly store: TicketStore,
    private readonly audit: AuditLogService,
    private readonly metrics: MetricsService,
    private readonly report: LimitReportService,
  ) {}

  /** @throws {AppError} `rate_limited` for too many per minute or too many unused; `dependency_unavailable`. */
  async issue(
    user: UserContext,
    request: TicketRequest,
  ): Promise<{ issued: IssuedTicket; limit: LimitState }> {
    const ticket = newTicket();
    const digest = digestOf(ticket);
    const claims = newClaims(digest, user, request, this.config.ticketTtlSeconds);
    const { ticketsOutstandingPerUser: outstanding, ticketsPerUser: perMinute } = this.config.limits;
    const quota = await this.store.issue(digest, claims, this.config.ticketTtlSeconds, {
      outstanding,
      perMinute,
    });
    const limit = {
      name: 'tickets',
      limit: perMinute,
      remaining: quota.remaining,
      resetMs: quota.resetMs,
    } as const;
    if (quota.exceeded !== undefined) throw this.limited(user.userId, quota, limit);
    this.counted('issued').inc();
    this.audit.record('ticket.issued', user.userId, {
      ticket_id: digest.id,
      session_id: user.sessionId,
      purpose: claims.purpose,
      conversation_id: claims.conversation_id,
    });
    return { issued: this.toIssuedTicket(ticket, claims), limit };
  }

  /**
   * Removes a presented ticket from the store.
   * @throws {AppError} `ticket_missing`, `ticket_malformed`, `ticket_unknown`, `ticket_consumed`, `ticket_expired`.
   */
  async consume(ticket: string | undefined): Promise<ConsumedTicket> {
    if (ticket === undefined || ticket === '') throw this.refused('ticket_missing');
    if (!hasTicketForm(ticket)) throw this.refused('ticket_malformed');
    const digest = digestOf(ticket);
    const { claims, receipt } = await this.store.consume(digest);
    if (claims === undefined || this.spent.has(digest.hex)) throw this.notThere(digest, receipt);
    if (redisNow() >= claims.expires_at) {
      // `ticket-expiry.service.ts` counts it as expired, once, like a ticket that was never presented.
      await this.store.updateReceipt(expiredReceipt(claims));
      throw new AppError('ticket_expired');
    }
    this.spent.add(digest.hex, claims.expires_at);
    return { digest, claims };
  }

  /** Records that a consumed ticket opened a connection (or renewed one). */
  async accept({ digest, claims }: ConsumedTicket, connectionId: string): Promise<void> {
    const now = redisNow();
    this.counted('consumed').inc();
    this.metrics.ticketAge.observe((now - claims.issued_at) / 1000);
    this.audit.record('ticket.consumed', claims.user_id, {
      ticket_id: claims.ticket_id,
      connection_id: connectionId,
    });
    await this.store.settle(digest, claims, {
      ticket_id: claims.ticket_id,
      state: 'consumed',
      at: new Date(now).toISOString(),
      connection_id: connectionId,
    });
  }

  /** Records why a consumed ticket opened nothing. Only its owner can read `code`, in the receipt. */
  async reject({ digest, claims }: ConsumedTicket, code: ErrorCode): Promise<void> {
    this.counted('rejected').inc();
    this.audit.warn('ticket.rejected', claims.user_id, { ticket_id: claims.ticket_id, code });
    await this.store.settle(digest, claims, {
      ticket_id: claims.ticket_id,
      state: 'rejected',
      code,
      at: new Date(redisNow()).toISOString(),
    });
  }

  /** Adds to the receipt of a consumed ticket how its connection ended, while the receipt lasts. */
  async recordClose(
    consumed: Omit<Receipt, 'state'> & { user_id: string },
    close: Receipt['close'],
  ): Promise<void> {
    if (redisNow() - Date.parse(consumed.at) > RECEIPT_TTL_SECONDS * 1000) return;
    await this.store.updateReceipt({ ...consumed, state: 'consumed', ...(close && { close }) });
  }

  /** @throws {AppError} `not_found` for a ticket that is unknown, forgotten or another user's. */
  async receiptOf(userId: string, ticketId: string): Promise<Receipt> {
    const stored = digestOfId(ticketId) && (await this.store.receipt(ticketId));
    if (stored?.user_id !== userId) throw noSuchTicket();
    const { user_id: _owner, expires_at: _end, ...receipt } = currentReceipt(stored);
    return receipt;
  }

  /** Burns an unused ticket; a used or expired one stays as it is. @throws {AppError} `not_found` */
  async burn(userId: string, ticketId: string): Promise<void> {
    const { state } = await this.receiptOf(userId, ticketId);
    const digest = digestOfId(ticketId);
    if (state === 'pending' && digest !== undefined) await this.revoke(digest);
  }

  /** Burns the unused tickets of a session that has ended, so that their receipts say so. */
  async burnOfSession(userId: string, sessionId: string): Promise<void> {
    const unused = await this.store.unused(userId);
    const own = unused.filter(({ session_id: id }) => id === sessionId);
    await Promise.all(
      own.map(async ({ ticket_id: ticketId }) => {
        const digest = digestOfId(ticketId);
        if (digest !== undefined) await this.revoke(digest);
      }),
    );
  }

  private async revoke(digest: TicketDigest): Promise<void> {
    const { claims } = await this.store.consume(digest);
    if (claims === undefined) return;
    this.spent.add(digest.hex, claims.expires_at);
    this.counted('revoked').inc();
    this.audit.record('ticket.revoked', claims.user_id, { ticket_id: digest.id });
    await this.store.settle(digest, claims, {
      ticket_id: digest.id,
      state: 'revoked',
      code: 'ticket_revoked',
      at: new Date(redisNow()).toISOString(),
    });
  }

  private toIssuedTicket(ticket: string, claims: TicketClaims): IssuedTicket {
    return {
      ticket,
      ticket_id: claims.ticket_id,
      expires_in: this.config.ticketTtlSeconds,
      expires_at: new Date(claims.expires_at).toISOString(),
      url: this.config.publicUrl.replace(/^http/, 'ws') + socketPath(claims.conversation_id),
      protocol: SUBPROTOCOL,
      server_time: new Date(claims.issued_at).toISOString(),
    };
  }

  private refused(code: ErrorCode): AppError {
    this.counted('unknown').inc();
    return new AppError(code);
  }

  /** Distinguishes an unknown ticket from one that expired or was used before, by an attacker or a broken client. */
  private notThere(digest: TicketDigest, receipt: StoredReceipt | undefined): AppError {
    const isSpent = this.spent.has(digest.hex);
    if (receipt === undefined && !isSpent) return this.refused('ticket_unknown');
    if (receipt?.state === 'revoked') return this.refused('ticket_revoked');
    if (receipt !== undefined && !isSpent && currentReceipt(receipt).state === 'expired')
      return new AppError('ticket_expired');
    this.counted('replayed').inc();
    this.audit.critical('ticket.replayed', receipt?.user_id, { ticket_id: digest.id });
    return new AppError('ticket_consumed');
  }

  private limited(userId: string, quota: TicketQuota, limit: LimitState): AppError {
    this.counted('limited').inc();
    this.report.refused('tickets', userId);
    const { ticketsOutstandingPerUser, ticketsPerUser } = this.config.limits;
    const detail =
      quota.exceeded === 'per_minute'
        ? `more than ${ticketsPerUser} tickets in 60 s`
        : `more than ${ticketsOutstandingPerUser} unused tickets: use one, burn one, or wait`;
    return new AppError('rate_limited', {
      detail,
      retryAfterMs: Math.max(1, quota.resetMs),
      headers: rateLimitHeaders(limit),
    });
  }
}

function noSuchTicket(): AppError {
  return new AppError('not_found', { detail: 'There is no such ticket of yours' });
}
