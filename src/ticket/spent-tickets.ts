import { redisNow } from '../redis/redis-clock.js';

/** Enough for 1,000 sockets a second over the longest life of a ticket, in about 10 MiB. */
const MAX_ENTRIES = 120_000;

/**
 * Digests of the tickets consumed on this node, kept until the tickets would have expired. A failover of Redis can
 * lose the deletion of a ticket: this node does not accept it a second time.
 */
export class SpentTickets {
  private readonly expiries = new Map<string, number>();

  add(digest: string, expiresAtMs: number): void {
    this.forgetExpired();
    this.expiries.set(digest, expiresAtMs);
  }

  has(digest: string): boolean {
    return this.expiries.has(digest);
  }

  /** A map keeps insertion order, which is nearly the order of expiry: stop at the first that is still valid. */
  private forgetExpired(): void {
    const now = redisNow();
    for (const [digest, expiresAtMs] of this.expiries) {
      if (expiresAtMs > now && this.expiries.size < MAX_ENTRIES) return;
      this.expiries.delete(digest);
    }
  }
}
