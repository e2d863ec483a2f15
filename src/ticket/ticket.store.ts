import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import type { Receipt } from '../../protocol/resources.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import type { TicketClaims } from './ticket-claims.js';

export const RECEIPT_TTL_SECONDS = 300;

/** A receipt as stored: what its owner sees, and whose it is. */
export interface StoredReceipt extends Receipt {
  user_id: string;
  expires_at: number;
  /** Digest of the ticket, for burning it by its id. */
  digest: string;
}

/** Takes a place among the user's unused tickets, or says when the next place is free (ms since the epoch). */
const RESERVE = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
return false`;

@Injectable()
export class TicketStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('reserveTicket', { numberOfKeys: 1, lua: RESERVE });
  }

  /**
   * Stores a ticket and its receipt, in one round trip.
   * @returns `undefined`, or when the next of the user's outstanding tickets ends, if there are too many already:
   * then nothing of the ticket is left.
   */
  async issue(
    digest: string,
    claims: TicketClaims,
    ttlSeconds: number,
    maxOutstanding: number,
  ): Promise<number | undefined> {
    const receipt: StoredReceipt = {
      ticket_id: claims.ticket_id,
      state: 'pending',
      at: new Date(claims.issued_at).toISOString(),
      user_id: claims.user_id,
      expires_at: claims.expires_at,
      digest,
    };
    const key = redisKeys.ticket(digest);
    const receiptKey = redisKeys.receipt(claims.ticket_id);
    const outstandingKey = redisKeys.ticketsOutstanding(claims.user_id);
    return this.redis.run(async (redis) => {
      const [nextEnd] = await Promise.all([
        redis.reserveTicket(
          outstandingKey,
          claims.issued_at,
          claims.expires_at,
          claims.ticket_id,
          maxOutstanding,
        ),
        redis.set(key, JSON.stringify(claims), 'EX', ttlSeconds, 'NX'),
        redis.set(receiptKey, JSON.stringify(receipt), 'EX', RECEIPT_TTL_SECONDS),
      ]);
      if (nextEnd === null) return undefined;
      await Promise.all([redis.del(key), redis.del(receiptKey)]);
      return Number(nextEnd);
    });
  }

  /** Takes back a ticket that nobody was told. */
  async discard(digest: string, claims: TicketClaims): Promise<void> {
    await this.redis.run((redis) =>
      Promise.all([
        redis.del(redisKeys.ticket(digest)),
        redis.del(redisKeys.receipt(claims.ticket_id)),
        redis.zrem(redisKeys.ticketsOutstanding(claims.user_id), claims.ticket_id),
      ]),
    );
  }

  /** Takes a ticket out: of any number of callers exactly one gets its claims. */
  async consume(digest: string): Promise<TicketClaims | undefined> {
    const json = await this.redis.run((redis) => redis.getdel(redisKeys.ticket(digest)));
    return json === null ? undefined : (JSON.parse(json) as TicketClaims);
  }

  /** Writes what became of a ticket that was taken out, and frees its place. */
  async settle(digest: string, claims: TicketClaims, receipt: Receipt): Promise<void> {
    const stored: StoredReceipt = {
      ...receipt,
      user_id: claims.user_id,
      expires_at: claims.expires_at,
      digest,
    };
    const spentMs = Math.max(1000, claims.expires_at - Date.now());
    await this.redis.run((redis) =>
      Promise.all([
        redis.set(redisKeys.receipt(claims.ticket_id), JSON.stringify(stored), 'EX', RECEIPT_TTL_SECONDS),
        redis.set(redisKeys.ticketSpent(digest), claims.ticket_id, 'PX', spentMs),
        redis.zrem(redisKeys.ticketsOutstanding(claims.user_id), claims.ticket_id),
      ]),
    );
  }

  /** Id of the ticket that had this digest and was used on any node, while its life would have lasted. */
  async spentTicketId(digest: string): Promise<string | undefined> {
    return (await this.redis.run((redis) => redis.get(redisKeys.ticketSpent(digest)))) ?? undefined;
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
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    reserveTicket(
      key: string,
      nowMs: number,
      expiresAtMs: number,
      ticketId: string,
      maxOutstanding: number,
    ): Result<string | null, Context>;
  }
}
