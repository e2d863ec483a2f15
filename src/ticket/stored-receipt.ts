import type { Receipt } from '../../protocol/resources.js';
import { redisNow } from '../redis/redis-clock.js';
import type { TicketClaims } from './ticket-claims.js';

export const RECEIPT_TTL_SECONDS = 300;

/** A receipt as stored: what its owner sees, and who the owner is. */
export interface StoredReceipt extends Receipt {
  user_id: string;
  /** Expiry of a ticket that was not presented yet, in milliseconds since the epoch. */
  expires_at?: number;
}

/** Stored with a new ticket. It outlives the ticket, and is its receipt if it expires. */
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

/** The current state of a receipt: the expiry of a ticket may not be written yet. */
export function currentReceipt(stored: StoredReceipt): StoredReceipt {
  const { state, expires_at } = stored;
  const isOver = state === 'pending' && expires_at !== undefined && redisNow() >= expires_at;
  return isOver ? expiredReceipt({ ...stored, expires_at }) : stored;
}
