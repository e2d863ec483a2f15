import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import { allExpiryKeys, type AwaitedExpiry, expiryEntry, readMember } from './awaited-expiry.js';
import { expiredReceipt, RECEIPT_TTL_SECONDS, type StoredReceipt } from './stored-receipt.js';

/** A taken ticket is reserved for this long. If its node dies before recording it, another node takes it over. */
const LEASE_MS = 10_000;
/** Per sorted set and run. */
export const MAX_TAKEN = 100;

/** Takes the tickets that are due by the clock of Redis, by moving their scores into the future. */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ${MAX_TAKEN})
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], now + ${LEASE_MS}, member) end
return due`;

/** Writes that a ticket has expired, unless it has another outcome. */
const EXPIRE = `
local known = redis.call('GET', KEYS[1])
local state = known and cjson.decode(known).state or 'pending'
if state == 'pending' or state == 'expired' then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ${RECEIPT_TTL_SECONDS})
end
return 0`;

/** Tickets that may expire without being presented. */
@Injectable()
export class TicketExpiryStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('takeExpired', { numberOfKeys: 1, lua: TAKE });
    redis.client.defineCommand('expireReceipt', { numberOfKeys: 1, lua: EXPIRE });
  }

  /** Returns expired tickets; no other node gets them for ten seconds. */
  async take(): Promise<AwaitedExpiry[]> {
    const members = await this.redis.run((redis) =>
      answered(allExpiryKeys().map((key) => redis.takeExpired(key))),
    );
    return members.flatMap((some = []) => some).map(readMember);
  }

  /** Whether the receipts show another outcome; tickets whose receipts cannot be read now are left out. */
  async look(tickets: readonly AwaitedExpiry[]): Promise<{ ticket: AwaitedExpiry; isSettled: boolean }[]> {
    const receipts = await this.redis.run((redis) =>
      answered(tickets.map(({ ticket_id }) => redis.get(redisKeys.receipt(ticket_id)))),
    );
    return tickets.flatMap((ticket, index) => {
      const json = receipts[index];
      if (json === undefined) return [];
      const state = json === null ? 'expired' : (JSON.parse(json) as StoredReceipt).state;
      return { ticket, isSettled: state !== 'pending' && state !== 'expired' };
    });
  }

  /** Writes the receipts of expired tickets; their owners may then read them for five more minutes. */
  async writeReceipts(tickets: readonly AwaitedExpiry[]): Promise<void> {
    await this.redis.run((redis) =>
      answered(
        tickets.map((ticket) =>
          redis.expireReceipt(redisKeys.receipt(ticket.ticket_id), JSON.stringify(expiredReceipt(ticket))),
        ),
      ),
    );
  }

  /** Removes tickets that need no further recording. */
  async forget(tickets: readonly AwaitedExpiry[]): Promise<void> {
    const members = new Map<string, string[]>();
    for (const ticket of tickets) {
      const { key, member } = expiryEntry(ticket);
      members.set(key, [...(members.get(key) ?? []), member]);
    }
    await this.redis.run((redis) => answered([...members].map(([key, own]) => redis.zrem(key, ...own))));
  }
}

/** The answers that arrived: a part of the cluster may be down. @throws if there was no answer at all */
async function answered<T>(asked: readonly Promise<T>[]): Promise<(T | undefined)[]> {
  const answers = await Promise.allSettled(asked);
  const failed = answers.filter((answer) => answer.status === 'rejected');
  if (failed[0] !== undefined && failed.length === answers.length) throw failed[0].reason;
  return answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : undefined));
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    takeExpired(key: string): Result<string[], Context>;
    expireReceipt(key: string, receipt: string): Result<number, Context>;
  }
}
