import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import type { Receipt } from '../../protocol/resources.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import type { TicketClaims } from './ticket-claims.js';
import { digestOfId, type TicketDigest } from './ticket.js';

export const RECEIPT_TTL_SECONDS = 300;
const MINUTE_MS = 60_000;

/** A receipt as stored: what its owner sees, and whose it is. */
export interface StoredReceipt extends Receipt {
  user_id: string;
}

/** Which limit of a user stands in the way, and for how long. */
export interface TicketQuota {
  exceeded: 'per_minute' | 'outstanding' | undefined;
  /** Tickets that may still be made in this minute. */
  remaining: number;
  resetMs: number;
}

/**
 * One key holds the tickets that a user made lately: a positive score is the end of an unused one, a negative score that
 * of a used one. It answers both limits, and says of an unused ticket that is over that it existed.
 */
const RESERVE = `
local now, ends, id, maxOutstanding, perMinute = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local life = ends - now
local window = now - ${MINUTE_MS} + life
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - ${RECEIPT_TTL_SECONDS * 1000})
redis.call('ZREMRANGEBYSCORE', KEYS[1], -window, -1)
local made = redis.call('ZCOUNT', KEYS[1], window, '+inf') + redis.call('ZCOUNT', KEYS[1], '-inf', -window)
if made >= perMinute then return {1, 0, ${MINUTE_MS}} end
local unused = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if unused[1] and redis.call('ZCOUNT', KEYS[1], now, '+inf') >= maxOutstanding then
  return {2, perMinute - made, unused[2] - now}
end
redis.call('ZADD', KEYS[1], ends, id)
redis.call('PEXPIRE', KEYS[1], ${RECEIPT_TTL_SECONDS * 1000} + life)
return {0, perMinute - made - 1, ${MINUTE_MS}}`;

const EXCEEDED = [undefined, 'per_minute', 'outstanding'] as const;

@Injectable()
export class TicketStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('reserveTicket', { numberOfKeys: 1, lua: RESERVE });
  }

  /**
   * Stores a ticket in one round trip, if the limits of its user allow it; else nothing of it is left.
   * @param limits unused tickets at one time, and tickets in any 60 s.
   */
  async issue(
    digest: TicketDigest,
    claims: TicketClaims,
    ttlSeconds: number,
    limits: { outstanding: number; perMinute: number },
  ): Promise<TicketQuota> {
    const key = redisKeys.ticket(digest.hex);
    return this.redis.run(async (redis) => {
      const [[outcome, remaining, resetMs]] = await Promise.all([
        redis.reserveTicket(
          redisKeys.ticketQuota(claims.user_id),
          claims.issued_at,
          claims.expires_at,
          digest.id,
          limits.outstanding,
          limits.perMinute,
        ),
        redis.set(key, JSON.stringify(claims), 'EX', ttlSeconds, 'NX'),
      ]);
      if (outcome !== 0) await redis.del(key);
      return { exceeded: EXCEEDED[outcome], remaining, resetMs };
    });
  }

  /** Stores a ticket that no limit is asked about, and does not count in any. */
  async issueHandoff(digest: TicketDigest, claims: TicketClaims, ttlSeconds: number): Promise<void> {
    const key = redisKeys.ticketHandoffs(claims.user_id);
    const keptMs = RECEIPT_TTL_SECONDS * 1000;
    await this.redis.run((redis) =>
      Promise.all([
        redis.set(redisKeys.ticket(digest.hex), JSON.stringify(claims), 'EX', ttlSeconds, 'NX'),
        redis.zremrangebyscore(key, '-inf', claims.issued_at - keptMs),
        redis.zadd(key, claims.expires_at, digest.id),
        redis.pexpire(key, keptMs + ttlSeconds * 1000),
      ]),
    );
  }

  /**
   * Takes a ticket out: of any number of callers exactly one gets its claims. The others get the receipt, if there is one
   * already, which is asked for in the same round trip.
   */
  async consume(digest: TicketDigest): Promise<{ claims?: TicketClaims; receipt?: StoredReceipt }> {
    const [claims, receipt] = await this.redis.run((redis) =>
      Promise.all([redis.getdel(redisKeys.ticket(digest.hex)), redis.get(redisKeys.receipt(digest.id))]),
    );
    if (claims !== null) return { claims: JSON.parse(claims) as TicketClaims };
    return receipt === null ? {} : { receipt: JSON.parse(receipt) as StoredReceipt };
  }

  /** The claims of an unused ticket, which stays unused. */
  async peek(digest: TicketDigest): Promise<TicketClaims | undefined> {
    const json = await this.redis.run((redis) => redis.get(redisKeys.ticket(digest.hex)));
    return json === null ? undefined : (JSON.parse(json) as TicketClaims);
  }

  /** The claims of a user's unused tickets, which stay unused. */
  async unused(userId: string): Promise<TicketClaims[]> {
    const now = Date.now();
    const ids = await this.redis.run((redis) =>
      Promise.all(listsOf(userId).map((key) => redis.zrangebyscore(key, now, '+inf'))),
    );
    const digests = ids.flat().flatMap((id) => digestOfId(id) ?? []);
    const claims = await Promise.all(digests.map((digest) => this.peek(digest)));
    return claims.filter((known) => known !== undefined);
  }

  /** Writes what became of a ticket that was taken out, and frees its place. */
  async settle(digest: TicketDigest, claims: TicketClaims, receipt: Receipt): Promise<void> {
    const stored: StoredReceipt = { ...receipt, user_id: claims.user_id };
    const list = claims.handoff === true ? redisKeys.ticketHandoffs : redisKeys.ticketQuota;
    await this.redis.run((redis) =>
      Promise.all([
        redis.set(redisKeys.receipt(digest.id), JSON.stringify(stored), 'EX', RECEIPT_TTL_SECONDS),
        redis.zadd(list(claims.user_id), 'XX', -claims.expires_at, digest.id),
      ]),
    );
  }

  async receipt(ticketId: string): Promise<StoredReceipt | undefined> {
    const json = await this.redis.run((redis) => redis.get(redisKeys.receipt(ticketId)));
    return json === null ? undefined : (JSON.parse(json) as StoredReceipt);
  }

  /** Replaces a receipt that is still there, without giving it a longer life. */
  async updateReceipt(receipt: StoredReceipt): Promise<void> {
    await this.redis.run((redis) =>
      redis.set(redisKeys.receipt(receipt.ticket_id), JSON.stringify(receipt), 'KEEPTTL', 'XX'),
    );
  }

  /** When an unused ticket of this user ended, in milliseconds since the epoch; `undefined` when there was none. */
  async endOfUnused(userId: string, ticketId: string): Promise<number | undefined> {
    const scores = await this.redis.run((redis) =>
      Promise.all(listsOf(userId).map((key) => redis.zscore(key, ticketId))),
    );
    const score = scores.find((known) => known !== null) ?? undefined;
    return score === undefined || Number(score) < 0 ? undefined : Number(score);
  }
}

/** Where a user's tickets are listed. */
function listsOf(userId: string): string[] {
  return [redisKeys.ticketQuota(userId), redisKeys.ticketHandoffs(userId)];
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    reserveTicket(
      key: string,
      nowMs: number,
      expiresAtMs: number,
      ticketId: string,
      maxOutstanding: number,
      maxPerMinute: number,
    ): Result<[outcome: 0 | 1 | 2, remaining: number, resetMs: number], Context>;
  }
}
