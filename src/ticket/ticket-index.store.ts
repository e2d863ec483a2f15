import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { redisNow } from '../redis/redis-clock.js';
import type { RedisClient } from '../redis/redis-client.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import { WriteBatch } from '../resilience/write-batch.js';
import { expiryEntry } from './awaited-expiry.js';
import { pendingReceipt, RECEIPT_TTL_SECONDS } from './stored-receipt.js';
import type { TicketClaims } from './ticket-claims.js';
import { digestOfId } from './ticket.js';

/** How long a ticket may be in no list. One that is used before never gets into any. */
const DELAY_MS = 250;
const MAX_PER_WRITE = 500;
const MAX_WAITING = 100_000;
/** How long tickets wait for a node that records their expiry. */
const EXPIRY_LIST_TTL_MS = 3_600_000;
/** Longer than any ticket lives. */
const USER_LIST_TTL_MS = 180_000;

/** Tickets that were not used at once: their receipts, the list of each user, and all of them by when they expire. */
@Injectable()
export class TicketIndexStore implements BeforeApplicationShutdown {
  private readonly batch = new WriteBatch<TicketClaims>({
    delayMs: DELAY_MS,
    maxPerWrite: MAX_PER_WRITE,
    maxWaiting: MAX_WAITING,
    write: (tickets) => this.list(tickets),
    // The breaker reports it; the tickets are listed when Redis is back.
    failed: () => undefined,
    dropped: () => undefined,
  });

  private onCounted: (userId: string, count: number) => void = () => undefined;

  constructor(private readonly redis: RedisService) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.batch.flush();
  }

  add(claims: TicketClaims): void {
    this.batch.put(claims.ticket_id, claims);
  }

  /** Calls `listener` with how many tickets of a user are listed, whenever this node has listed one. */
  whenCounted(listener: (userId: string, count: number) => void): void {
    this.onCounted = listener;
  }

  /** Lists now what waits. Resolves also when that fails. */
  flush(): Promise<void> {
    return this.batch.flush();
  }

  /** A ticket was taken here: it need not be listed. One that is listed is found to be settled. */
  taken(ticketId: string): void {
    this.batch.take(ticketId);
  }

  /** The claims of tickets that Redis may not list yet. */
  unlisted(): TicketClaims[] {
    return this.batch.values();
  }

  /** The claims of a user's unused tickets, which stay unused. */
  async unusedOf(userId: string): Promise<TicketClaims[]> {
    await this.batch.flush();
    const key = redisKeys.ticketsOfUser(userId);
    const ids = await this.redis.run((redis) => redis.zrangebyscore(key, redisNow(), '+inf'));
    const digests = ids.flatMap((id) => digestOfId(id) ?? []);
    const found = await this.redis.run((redis) =>
      Promise.all(digests.map(({ hex }) => redis.get(redisKeys.ticket(hex)))),
    );
    return found.flatMap((json) => (json === null ? [] : [JSON.parse(json) as TicketClaims]));
  }

  private async list(tickets: readonly TicketClaims[]): Promise<void> {
    const now = redisNow();
    const users = [...new Set(tickets.map(({ user_id }) => user_id))];
    const [, , ...counts] = await this.redis.run((redis) =>
      Promise.all([
        Promise.all(additions(redis, tickets)),
        Promise.all(tickets.map((claims) => addReceipt(redis, claims))),
        ...users.map((userId) => redis.zcount(redisKeys.ticketsOfUser(userId), now, '+inf')),
      ]),
    );
    for (const [index, userId] of users.entries()) this.onCounted(userId, counts[index]!);
  }
}

/** Unless another node has taken the ticket already. */
function addReceipt(redis: RedisClient, claims: TicketClaims): Promise<unknown> {
  const json = JSON.stringify(pendingReceipt(claims));
  return redis.set(redisKeys.receipt(claims.ticket_id), json, 'EX', RECEIPT_TTL_SECONDS, 'NX');
}

/** One command per list, and one that keeps it. */
function additions(redis: RedisClient, tickets: readonly TicketClaims[]): Promise<unknown>[] {
  const lists = new Map<string, { members: (number | string)[]; lifeMs: number }>();
  const add = (key: string, score: number, member: string, lifeMs: number) => {
    const list = lists.get(key) ?? { members: [], lifeMs };
    list.members.push(score, member);
    lists.set(key, list);
  };
  for (const claims of tickets) {
    const { key, member, dueMs } = expiryEntry(claims);
    add(key, dueMs, member, EXPIRY_LIST_TTL_MS);
    add(redisKeys.ticketsOfUser(claims.user_id), claims.expires_at, claims.ticket_id, USER_LIST_TTL_MS);
  }
  return [...lists].flatMap(([key, { members, lifeMs }]) => [
    redis.zadd(key, ...members),
    redis.pexpire(key, lifeMs),
  ]);
}
