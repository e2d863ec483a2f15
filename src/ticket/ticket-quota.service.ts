import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { LimitReportService } from '../observability/limit-report.service.js';
import { MetricsService } from '../observability/metrics.service.js';
import { type LimitState, rateLimitHeaders, RateLimiterService } from '../redis/rate-limiter.service.js';
import { redisNow } from '../redis/redis-clock.js';
import type { TicketClaims } from './ticket-claims.js';
import { TicketIndexStore } from './ticket-index.store.js';

const SWEEP_INTERVAL_MS = 10_000;
/** A ticket is stored within this time after it was counted. */
const BEING_STORED_MS = 1000;

/**
 * How many tickets a user may mint: in a minute, and unused at one time. This node remembers what it has minted, and learns within
 * 250 ms what others have; Redis is asked only when a user seems to have too many unused ones, because another node may have let some of them in.
 */
@Injectable()
export class TicketQuotaService {
  /** When the tickets that were minted here and not taken here expire, by user and ticket. */
  private readonly unused = new Map<string, Map<string, number>>();
  /** Listed tickets of other nodes, also used ones, as known since this node has last listed one, by user. */
  private readonly elsewhere = new Map<string, { count: number; endsAtMs: number }>();
  private sweepAtMs = 0;
  private readonly mostUnused: number;

  constructor(
    private readonly config: Config,
    private readonly index: TicketIndexStore,
    private readonly rateLimiter: RateLimiterService,
    private readonly metrics: MetricsService,
    private readonly report: LimitReportService,
  ) {
    this.mostUnused = config.limits.ticketsOutstandingPerUser;
    index.whenCounted((userId, count) => this.learn(userId, count));
  }

  /** Counts a ticket that is about to be minted. @throws {AppError} `rate_limited` */
  admit(claims: TicketClaims): LimitState | Promise<LimitState> {
    return this.mayBeUnused(claims.user_id) < this.mostUnused ? this.count(claims) : this.recount(claims);
  }

  /** A ticket was stored, and expires if nobody takes it. */
  mayExpire(claims: TicketClaims): void {
    this.index.add(claims);
  }

  /** Lists what waits to be listed, for tickets that are used on another node. */
  tell(): Promise<void> {
    return this.index.flush();
  }

  /** A ticket could not be stored: it counts for nothing. */
  giveBack(claims: TicketClaims): void {
    this.release(claims);
    this.rateLimiter.giveBack('tickets', claims.user_id);
  }

  /** A ticket was taken here. */
  release({ user_id: userId, ticket_id: ticketId }: TicketClaims): void {
    this.index.taken(ticketId);
    const own = this.unused.get(userId);
    own?.delete(ticketId);
    if (own?.size === 0) this.unused.delete(userId);
  }

  /** The claims of a session's tickets that were minted here and of which other nodes may not know yet. */
  unlistedOf(sessionId: string): TicketClaims[] {
    return this.index.unlisted().filter(({ session_id: id }) => id === sessionId);
  }

  /** The claims of a user's unused tickets, which stay unused. */
  unusedOf(userId: string): Promise<TicketClaims[]> {
    return this.index.unusedOf(userId);
  }

  private count(claims: TicketClaims): LimitState {
    try {
      const state = this.rateLimiter.use('tickets', claims.user_id);
      this.remember(claims);
      return state;
    } catch (error) {
      this.metrics.tickets.labels('limited').inc();
      throw error;
    }
  }

  private async recount(claims: TicketClaims): Promise<LimitState> {
    const ends = await this.recall(claims.user_id);
    if (ends.length >= this.mostUnused) throw this.tooManyUnused(claims.user_id, Math.min(...ends));
    return this.count(claims);
  }

  private remember({ user_id: userId, ticket_id: ticketId, expires_at: endsAtMs }: TicketClaims): void {
    this.sweep();
    const own = this.unused.get(userId);
    if (own === undefined) this.unused.set(userId, new Map([[ticketId, endsAtMs]]));
    else own.set(ticketId, endsAtMs);
  }

  /** At least as many as there are unused. */
  private mayBeUnused(userId: string): number {
    const others = this.elsewhere.get(userId);
    const count = others === undefined || others.endsAtMs < redisNow() ? 0 : others.count;
    return this.unusedHere(userId) + count;
  }

  private learn(userId: string, listed: number): void {
    const count = listed - this.unusedHere(userId);
    if (count <= 0) this.elsewhere.delete(userId);
    else this.elsewhere.set(userId, { count, endsAtMs: redisNow() + this.config.ticketTtlSeconds * 1000 });
  }

  private unusedHere(userId: string): number {
    const own = this.unused.get(userId);
    if (own === undefined) return 0;
    const now = redisNow();
    for (const [ticketId, endsAtMs] of own) {
      // A map keeps insertion order, and all tickets live equally long.
      if (endsAtMs > now) break;
      own.delete(ticketId);
    }
    return own.size;
  }

  /** Asks Redis which tickets are unused, and forgets the others, except those that are not stored yet. */
  private async recall(userId: string): Promise<number[]> {
    const unused = (await this.unusedOf(userId)).filter(({ handoff }) => handoff !== true);
    const newSinceMs = redisNow() + this.config.ticketTtlSeconds * 1000 - BEING_STORED_MS;
    const own = [...(this.unused.get(userId) ?? [])].filter(([, endsAtMs]) => endsAtMs > newSinceMs);
    const all = new Map([...unused.map((claims) => [claims.ticket_id, claims.expires_at] as const), ...own]);
    this.unused.set(userId, all);
    this.elsewhere.delete(userId);
    return [...all.values()];
  }

  private sweep(): void {
    const now = redisNow();
    if (now < this.sweepAtMs) return;
    this.sweepAtMs = now + SWEEP_INTERVAL_MS;
    for (const userId of this.unused.keys()) if (this.unusedHere(userId) === 0) this.unused.delete(userId);
    for (const [userId, { endsAtMs }] of this.elsewhere) if (endsAtMs < now) this.elsewhere.delete(userId);
  }

  private tooManyUnused(userId: string, firstEndMs: number): AppError {
    this.metrics.tickets.labels('limited').inc();
    const { ticketsPerUser: limit } = this.config.limits;
    const resetMs = Math.max(1, firstEndMs - redisNow());
    return new AppError('rate_limited', {
      traceId: this.report.refused('tickets', userId),
      detail: `more than ${this.mostUnused} unused tickets: use one, burn one, or wait`,
      retryAfterMs: resetMs,
      headers: rateLimitHeaders({ name: 'tickets', limit, remaining: 0, resetMs }),
    });
  }
}
