import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { Receipt } from '../../protocol/resources.js';
import type { RedisClient } from '../redis/redis-client.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import { WriteBatch } from '../resilience/write-batch.js';
import { pendingReceipt, RECEIPT_TTL_SECONDS, type StoredReceipt } from './stored-receipt.js';
import type { TicketClaims } from './ticket-claims.js';
import { digestOfId } from './ticket.js';

/** How long other nodes may not know of an outcome. */
const DELAY_MS = 5;
/** A ticket that is being taken has no receipt for a moment: a reader looks again after this time. */
const LOOK_AGAIN_MS = 50;
const MAX_PER_WRITE = 500;
/** Receipts that wait while Redis is down; without Redis no more tickets are minted or used. */
const MAX_WAITING = 100_000;

/** `outcome`: over any other. `change`: of one that is still there. */
type Writing = 'outcome' | 'change';

/**
 * The receipts of tickets. Outcomes are written together, those of five milliseconds; this node reads what it has not written yet.
 * A ticket that is not used at once gets its receipt with its place in the lists: see `ticket-index.store.ts`.
 */
@Injectable()
export class TicketReceiptStore implements BeforeApplicationShutdown {
  private readonly batch = new WriteBatch<{ receipt: StoredReceipt; writing: Writing }>({
    delayMs: DELAY_MS,
    maxPerWrite: MAX_PER_WRITE,
    maxWaiting: MAX_WAITING,
    write: (receipts) =>
      this.redis.run((redis) =>
        Promise.all(receipts.map(({ receipt, writing }) => put(redis, receipt, writing))),
      ),
    // The breaker reports it; the receipts are written when Redis is back.
    failed: () => undefined,
    dropped: () => undefined,
  });

  constructor(private readonly redis: RedisService) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.batch.flush();
  }

  /** The outcome of a ticket that was taken. */
  settle(receipt: Receipt, userId: string): void {
    this.batch.put(receipt.ticket_id, { receipt: { ...receipt, user_id: userId }, writing: 'outcome' });
  }

  /** As `settle`, and written when this resolves, unless Redis fails: then soon after it is back. */
  async settleNow(receipt: Receipt, userId: string): Promise<void> {
    this.settle(receipt, userId);
    await this.batch.flush();
  }

  /** Replaces a receipt that still exists, without extending its TTL. */
  update(receipt: StoredReceipt): void {
    const writing = this.batch.peek(receipt.ticket_id)?.writing ?? 'change';
    this.batch.put(receipt.ticket_id, { receipt, writing });
  }

  async find(ticketId: string): Promise<StoredReceipt | undefined> {
    const found = await this.look(ticketId);
    if (found !== undefined) return found;
    await sleep(LOOK_AGAIN_MS);
    return this.look(ticketId);
  }

  /** The receipt of a ticket that is not unused, without a second look. */
  async ofUsed(ticketId: string): Promise<StoredReceipt | undefined> {
    const own = this.batch.peek(ticketId);
    if (own !== undefined) return own.receipt;
    const json = await this.redis.run((redis) => redis.get(redisKeys.receipt(ticketId)));
    return json === null ? undefined : (JSON.parse(json) as StoredReceipt);
  }

  private async look(ticketId: string): Promise<StoredReceipt | undefined> {
    return (await this.ofUsed(ticketId)) ?? this.ofUnused(ticketId);
  }

  /** The ticket may have been minted a moment ago. */
  private async ofUnused(ticketId: string): Promise<StoredReceipt | undefined> {
    const digest = digestOfId(ticketId);
    if (digest === undefined) return undefined;
    const json = await this.redis.run((redis) => redis.get(redisKeys.ticket(digest.hex)));
    return json === null ? undefined : pendingReceipt(JSON.parse(json) as TicketClaims);
  }
}

function put(redis: RedisClient, receipt: StoredReceipt, writing: Writing): Promise<unknown> {
  const key = redisKeys.receipt(receipt.ticket_id);
  const json = JSON.stringify(receipt);
  if (writing === 'change') return redis.set(key, json, 'KEEPTTL', 'XX');
  return redis.set(key, json, 'EX', RECEIPT_TTL_SECONDS);
}
