import type { Receipt } from '../../protocol/resources.js';
import { redisNow } from '../redis/redis-clock.js';
import type { TicketClaims } from './ticket-claims.js';

export const RECEIPT_TTL_SECONDS = 300;

/** A receipt as stored: what its owner sees, and whose it is. */
export interface StoredReceipt extends Receipt {
  user_id: string;
  /** Of a ticket that nobody has presented in time yet: when it expires, in milliseconds since the epoch. */
  expires_at?: number;
}

/** What is stored beside a new ticket. It outlives the ticket, and is the receipt of one that expires. */
export function pendingReceipt(claims: TicketClaims): StoredReceipt {
  const { ticket_id, user_id, issued_at, expires_at } = claims;
  return { ticket_id, state: 'pending', at: new Date(issued_at).toISOString(), user_id, expires_at };
}

export function expiredReceipt(
  ticket: Pick<TicketClaims, 'ticket_id' | 'user_id' | 'expires_at'>,
): StoredReceipt {
  const { ticket_id, user_id, expires_at } = ticket;
  return {
    ticket_id,
    state: 'expired',
    code: 'ticket_expired',
    at: new Date(expires_at).toISOString(),
    user_id,
  };
}

/** The receipt as it is now: a ticket expires without anybody writing it down. */
export function currentReceipt(stored: StoredReceipt): StoredReceipt {
  const { state, expires_at } = stored;
  const isOver = state === 'pending' && expires_at !== undefined && redisNow() >= expires_at;
  return isOver ? expiredReceipt({ ...stored, expires_at }) : stored;
}
