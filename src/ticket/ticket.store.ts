import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import type { Receipt } from '../../protocol/resources.js';
import { redisNow } from '../redis/redis-clock.js';
import type { RedisClient } from '../redis/redis-client.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import { expiryEntry } from './awaited-expiry.js';
import { pendingReceipt, RECEIPT_TTL_SECONDS, type StoredReceipt } from './stored-receipt.js';
import type { TicketClaims } from './ticket-claims.js';
import { digestOfId, type TicketDigest } from './ticket.js';

const MINUTE_MS = 60_000;
/** How long tickets wait for a node that records their expiry. */
const EXPIRY_LIST_TTL_MS = 3_600_000;

/** Which limit of a user is exceeded, and for how long. */
export interface TicketQuota {
  exceeded: 'per_minute' | 'outstanding' | undefined;
  /** Tickets that may still be minted in this minute. */
  remaining: number;
  resetMs: number;
}

/**
 * One key holds the tickets that a user minted recently: a positive score is the expiry of an unused one, a negative
 * score that of a used one. Both limits are computed from it.
 */
const RESERVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends, life, id, maxOutstanding, perMinute = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
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

/** Adds a ticket to those that may expire. */
const AWAIT_EXPIRY = `
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ${EXPIRY_LIST_TTL_MS})`;

const EXCEEDED = [undefined, 'per_minute', 'outstanding'] as const;

@Injectable()
export class TicketStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('reserveTicket', { numberOfKeys: 1, lua: RESERVE });
    redis.client.defineCommand('awaitExpiry', { numberOfKeys: 1, lua: AWAIT_EXPIRY });
  }

  /**
   * Stores a ticket in one round trip if the limits of its user allow it; otherwise nothing of it is kept.
   * @param limits unused tickets at one time, and tickets in any 60 s.
   */
  async issue(
    digest: TicketDigest,
    claims: TicketClaims,
    ttlSeconds: number,
    limits: { outstanding: number; perMinute: number },
  ): Promise<TicketQuota> {
    return this.redis.run(async (redis) => {
      const [[outcome, remaining, resetMs]] = await Promise.all([
        redis.reserveTicket(
          redisKeys.ticketQuota(claims.user_id),
          claims.expires_at,
          ttlSeconds * 1000,
          digest.id,
          limits.outstanding,
          limits.perMinute,
        ),
        ...put(redis, digest, claims, ttlSeconds),
      ]);
      if (outcome !== 0) await Promise.all(takeBack(redis, digest, claims));
      return { exceeded: EXCEEDED[outcome], remaining, resetMs };
    });
  }

  /** Stores a ticket without checking any limit or counting it. */
  async issueHandoff(digest: TicketDigest, claims: TicketClaims, ttlSeconds: number): Promise<void> {
    const key = redisKeys.ticketHandoffs(claims.user_id);
    const keptMs = RECEIPT_TTL_SECONDS * 1000;
    await this.redis.run((redis) =>
      Promise.all([
        ...put(redis, digest, claims, ttlSeconds),
        redis.zremrangebyscore(key, '-inf', claims.issued_at - keptMs),
        redis.zadd(key, claims.expires_at, digest.id),
        redis.pexpire(key, keptMs + ttlSeconds * 1000),
      ]),
    );
  }

  /**
   * Removes a ticket: of any number of callers exactly one gets its claims. The others get the receipt, which is
   * read in the same round trip.
   */
  async consume(digest: TicketDigest): Promise<{ claims?: TicketClaims; receipt?: StoredReceipt }> {
    const [claims, receipt] = await this.redis.run((redis) =>
      Promise.all([redis.getdel(redisKeys.ticket(digest.hex)), redis.get(redisKeys.receipt(digest.id))]),
    );
    if (claims !== null) return { claims: JSON.parse(claims) as TicketClaims };
    return receipt === null ? {} : { receipt: JSON.parse(receipt) as StoredReceipt };
  }

  /** The claims of a user's unused tickets, which stay unused. */
  async unused(userId: string): Promise<TicketClaims[]> {
    const now = redisNow();
    const ids = await this.redis.run((redis) =>
      Promise.all(listsOf(userId).map((key) => redis.zrangebyscore(key, now, '+inf'))),
    );
    const digests = ids.flat().flatMap((id) => digestOfId(id) ?? []);
    const claims = await Promise.all(digests.map((digest) => this.peek(digest)));
    return claims.filter((known) => known !== undefined);
  }

  /** Writes the outcome of a consumed ticket, and frees its place in the limit. */
  async settle(digest: TicketDigest, claims: TicketClaims, receipt: Receipt): Promise<void> {
    const stored: StoredReceipt = { ...receipt, user_id: claims.user_id };
    const list = claims.handoff === true ? redisKeys.ticketHandoffs : redisKeys.ticketQuota;
    const { key, member } = expiryEntry(claims);
    await this.redis.run((redis) =>
      Promise.all([
        redis.set(redisKeys.receipt(digest.id), JSON.stringify(stored), 'EX', RECEIPT_TTL_SECONDS),
        redis.zadd(list(claims.user_id), 'XX', -claims.expires_at, digest.id),
        redis.zrem(key, member),
      ]),
    );
  }

  async receipt(ticketId: string): Promise<StoredReceipt | undefined> {
    const json = await this.redis.run((redis) => redis.get(redisKeys.receipt(ticketId)));
    return json === null ? undefined : (JSON.parse(json) as StoredReceipt);
  }

  /** Replaces a receipt that still exists, without extending its TTL. */
  async updateReceipt(receipt: StoredReceipt): Promise<void> {
    await this.redis.run((redis) =>
      redis.set(redisKeys.receipt(receipt.ticket_id), JSON.stringify(receipt), 'KEEPTTL', 'XX'),
    );
  }

  /** The claims of an unused ticket, which stays unused. */
  private async peek(digest: TicketDigest): Promise<TicketClaims | undefined> {
    const json = await this.redis.run((redis) => redis.get(redisKeys.ticket(digest.hex)));
    return json === null ? undefined : (JSON.parse(json) as TicketClaims);
  }
}

/** What is written to Redis for every new ticket. */
function put(
  redis: RedisClient,
  digest: TicketDigest,
  claims: TicketClaims,
  ttlSeconds: number,
): Promise<unknown>[] {
  const receipt = JSON.stringify(pendingReceipt(claims));
  const { key, member, dueMs } = expiryEntry(claims);
  return [
    redis.set(redisKeys.ticket(digest.hex), JSON.stringify(claims), 'EX', ttlSeconds, 'NX'),
    redis.set(redisKeys.receipt(digest.id), receipt, 'EX', RECEIPT_TTL_SECONDS),
    redis.awaitExpiry(key, dueMs, member),
  ];
}

function takeBack(redis: RedisClient, digest: TicketDigest, claims: TicketClaims): Promise<unknown>[] {
  const { key, member } = expiryEntry(claims);
  return [
    redis.del(redisKeys.ticket(digest.hex)),
    redis.del(redisKeys.receipt(digest.id)),
    redis.zrem(key, member),
  ];
}

/** Where a user's tickets are listed. */
function listsOf(userId: string): string[] {
  return [redisKeys.ticketQuota(userId), redisKeys.ticketHandoffs(userId)];
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    reserveTicket(
      key: string,
      expiresAtMs: number,
      lifeMs: number,
      ticketId: string,
      maxOutstanding: number,
      maxPerMinute: number,
    ): Result<[outcome: 0 | 1 | 2, remaining: number, resetMs: number], Context>;
    awaitExpiry(key: string, dueMs: number, member: string): Result<number, Context>;
  }
}
