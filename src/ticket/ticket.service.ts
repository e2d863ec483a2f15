import { Injectable } from '@nestjs/common';
import type { ErrorCode } from '../../protocol/errors.js';
import { socketPath, SUBPROTOCOL } from '../../protocol/messages.js';
import type { IssuedTicket, Receipt } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import type { UserContext } from '../identity/user-context.js';
import { redisNow } from '../redis/redis-clock.js';
import type { LimitState } from '../redis/rate-limiter.service.js';
import { SpentTickets } from './spent-tickets.js';
import { currentReceipt, expiredReceipt, RECEIPT_TTL_SECONDS } from './stored-receipt.js';
import { newClaims, type TicketClaims, type TicketRequest } from './ticket-claims.js';
import { TicketQuotaService } from './ticket-quota.service.js';
import { TicketReceiptStore } from './ticket-receipt.store.js';
import { TicketReportService } from './ticket-report.service.js';
import { digestOf, digestOfId, hasTicketForm, newTicket, type TicketDigest } from './ticket.js';
import { TicketStore } from './ticket.store.js';

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
  private readonly socketOrigin: string;

  constructor(
    private readonly config: Config,
    private readonly store: TicketStore,
    private readonly quotas: TicketQuotaService,
    private readonly receipts: TicketReceiptStore,
    private readonly report: TicketReportService,
  ) {
    this.socketOrigin = config.publicUrl.replace(/^http/, 'ws');
  }

  /** @throws {AppError} `rate_limited` for too many per minute or too many unused; `dependency_unavailable`. */
  async issue(
    user: UserContext,
    request: TicketRequest,
  ): Promise<{ issued: IssuedTicket; limit: LimitState }> {
    const ticket = newTicket();
    const digest = digestOf(ticket);
    const claims = newClaims(digest, user, request, this.config.ticketTtlSeconds);
    const admitted = this.quotas.admit(claims);
    const limit = admitted instanceof Promise ? await admitted : admitted;
    try {
      await this.add(digest, claims);
    } catch (error) {
      this.quotas.giveBack(claims);
      throw error;
    }
    return { issued: this.toIssuedTicket(ticket, claims), limit };
  }

  /**
   * A ticket that the server mints by itself, so that an open socket can move to another node. It differs from other
   * tickets only in the limits: a client cannot request one, gets at most one per socket, and must still be able to mint
   * its own if it does not support them. So it is never refused and never counted.
   * @throws {AppError} `dependency_unavailable`
   */
  async issueHandoff(
    user: UserContext,
    request: Omit<TicketRequest, 'purpose'>,
  ): Promise<Pick<IssuedTicket, 'ticket' | 'url'>> {
    const ticket = newTicket();
    const digest = digestOf(ticket);
    const claims = newClaims(digest, user, { ...request, purpose: 'connect' }, this.config.ticketTtlSeconds);
    await this.add(digest, { ...claims, handoff: true });
    await this.quotas.tell();
    return { ticket, url: this.socketOrigin + socketPath(claims.conversation_id) };
  }

  /**
   * Removes a presented ticket from the store.
   * @throws {AppError} `ticket_missing`, `ticket_malformed`, `ticket_unknown`, `ticket_consumed`, `ticket_expired`.
   */
  async consume(ticket: string | undefined): Promise<ConsumedTicket> {
    if (ticket === undefined || ticket === '') throw this.unknown('ticket_missing');
    if (!hasTicketForm(ticket)) throw this.unknown('ticket_malformed');
    const digest = digestOf(ticket);
    const isSpent = this.spent.has(digest.hex);
    const claims = await this.store.take(digest);
    if (claims === undefined || isSpent) throw await this.notThere(digest, isSpent);
    this.spent.add(digest.hex, claims.expires_at);
    this.quotas.release(claims);
    if (redisNow() >= claims.expires_at) {
      // `ticket-expiry.service.ts` counts it as expired, once, like a ticket that was never presented.
      this.quotas.mayExpire(claims);
      this.receipts.settle(expiredReceipt(claims), claims.user_id);
      throw new AppError('ticket_expired');
    }
    return { digest, claims };
  }

  /** Records that a consumed ticket opened a connection (or renewed one). */
  accept({ claims }: ConsumedTicket, connectionId: string): void {
    const at = new Date(redisNow()).toISOString();
    this.report.consumed(claims, connectionId);
    this.receipts.settle(
      { ticket_id: claims.ticket_id, state: 'consumed', at, connection_id: connectionId },
      claims.user_id,
    );
  }

  /** Records why a consumed ticket opened nothing. Only its owner can read `code`, in the receipt. */
  async reject({ claims }: ConsumedTicket, code: ErrorCode): Promise<void> {
    this.report.rejected(claims, code);
    const at = new Date(redisNow()).toISOString();
    await this.receipts.settleNow(
      { ticket_id: claims.ticket_id, state: 'rejected', code, at },
      claims.user_id,
    );
  }

  /** Adds to the receipt of a consumed ticket how its connection ended, while the receipt lasts. */
  recordClose(consumed: Omit<Receipt, 'state'> & { user_id: string }, close: Receipt['close']): void {
    if (redisNow() - Date.parse(consumed.at) > RECEIPT_TTL_SECONDS * 1000) return;
    this.receipts.update({ ...consumed, state: 'consumed', ...(close && { close }) });
  }

  /** @throws {AppError} `not_found` for a ticket that is unknown, forgotten or another user's. */
  async receiptOf(userId: string, ticketId: string): Promise<Receipt> {
    const stored = digestOfId(ticketId) && (await this.receipts.find(ticketId));
    if (stored?.user_id !== userId) throw noSuchTicket();
    const { user_id: _owner, expires_at: _end, ...receipt } = currentReceipt(stored);
    return receipt;
  }

  /** Burns an unused ticket; a used or expired one stays as it is. @throws {AppError} `not_found` */
  async burn(userId: string, ticketId: string): Promise<void> {
    const { state } = await this.receiptOf(userId, ticketId);
    if (state === 'pending') await this.burnAll([{ ticket_id: ticketId }]);
  }

  /** Burns the unused tickets of a session that this node has ended, so that their receipts say so. */
  async burnOfSession(userId: string, sessionId: string): Promise<void> {
    const unused = await this.quotas.unusedOf(userId);
    await this.burnAll(unused.filter(({ session_id: id }) => id === sessionId));
  }

  /** As `burnOfSession`, for the tickets of which the node that ended the session may not know. */
  async burnUnlisted(sessionId: string): Promise<void> {
    await this.burnAll(this.quotas.unlistedOf(sessionId));
  }

  private async add(digest: TicketDigest, claims: TicketClaims): Promise<void> {
    await this.store.add(digest, claims, this.config.ticketTtlSeconds);
    this.quotas.mayExpire(claims);
    this.report.issued(claims);
  }

  private async burnAll(tickets: readonly Pick<TicketClaims, 'ticket_id'>[]): Promise<void> {
    const digests = tickets.flatMap(({ ticket_id: ticketId }) => digestOfId(ticketId) ?? []);
    await Promise.all(digests.map((digest) => this.revoke(digest)));
  }

  private async revoke(digest: TicketDigest): Promise<void> {
    const claims = await this.store.take(digest);
    if (claims === undefined) return;
    this.spent.add(digest.hex, claims.expires_at);
    this.quotas.release(claims);
    this.report.revoked(claims);
    const at = new Date(redisNow()).toISOString();
    await this.receipts.settleNow(
      { ticket_id: digest.id, state: 'revoked', code: 'ticket_revoked', at },
      claims.user_id,
    );
  }

  private toIssuedTicket(ticket: string, claims: TicketClaims): IssuedTicket {
    return {
      ticket,
      ticket_id: claims.ticket_id,
      expires_in: this.config.ticketTtlSeconds,
      expires_at: new Date(claims.expires_at).toISOString(),
      url: this.socketOrigin + socketPath(claims.conversation_id),
      protocol: SUBPROTOCOL,
      server_time: new Date(claims.issued_at).toISOString(),
    };
  }

  private unknown(code: ErrorCode): AppError {
    this.report.unknown();
    return new AppError(code);
  }

  /** Distinguishes an unknown ticket from one that expired or was used before. */
  private async notThere(digest: TicketDigest, isSpent: boolean): Promise<AppError> {
    const receipt = await this.receipts.ofUsed(digest.id);
    if (receipt === undefined && !isSpent) return this.unknown('ticket_unknown');
    if (receipt?.state === 'revoked') return this.unknown('ticket_revoked');
    if (receipt !== undefined && !isSpent && currentReceipt(receipt).state === 'expired')
      return new AppError('ticket_expired');
    this.report.replayed(digest.id, receipt?.user_id);
    return new AppError('ticket_consumed');
  }
}

function noSuchTicket(): AppError {
  return new AppError('not_found', { detail: 'There is no such ticket of yours' });
}
