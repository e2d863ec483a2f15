import { redisKeys } from '../redis/redis-keys.js';
import type { TicketClaims } from './ticket-claims.js';
import { digestOfId } from './ticket.js';

/**
 * Number of sorted sets that hold the tickets that may still expire: on a cluster they are spread over several
 * masters, and no key is touched by every ticket.
 */
const SHARDS = 8;

/** A ticket presented just before its expiry has its receipt written by then. */
const DECISION_MARGIN_MS = 5000;

/** A ticket that is recorded as expired unless it is used, refused or burnt first. */
export interface AwaitedExpiry {
  ticket_id: string;
  user_id: string;
  /** Milliseconds since the epoch. */
  expires_at: number;
  handoff: boolean;
}

/** The sorted set that a ticket is in, its member, and its score. */
export function expiryEntry(ticket: AwaitedExpiry | TicketClaims): {
  key: string;
  member: string;
  dueMs: number;
} {
  const { ticket_id, user_id, expires_at, handoff = false } = ticket;
  return {
    key: redisKeys.ticketExpiry(shardOf(ticket_id)),
    member: [ticket_id, user_id, expires_at, handoff ? 'handoff' : 'asked_for'].join('|'),
    dueMs: expires_at + DECISION_MARGIN_MS,
  };
}

export function readMember(member: string): AwaitedExpiry {
  const [ticket_id = '', user_id = '', expiresAt, origin] = member.split('|');
  return { ticket_id, user_id, expires_at: Number(expiresAt), handoff: origin === 'handoff' };
}

export function allExpiryKeys(): string[] {
  return Array.from({ length: SHARDS }, (_, shard) => redisKeys.ticketExpiry(shard));
}

function shardOf(ticketId: string): number {
  return Number.parseInt(digestOfId(ticketId)?.hex.slice(0, 2) ?? '0', 16) % SHARDS;
}
