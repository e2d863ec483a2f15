import type { TicketPurpose } from '../../protocol/resources.js';
import type { UserContext } from '../identity/user-context.js';
import { redisNow } from '../redis/redis-clock.js';
import type { TicketDigest } from './ticket.js';

export interface TicketRequest {
  purpose: TicketPurpose;
  conversationId?: string | undefined;
  clientId?: string | undefined;
  /** `Origin` of the minting request, when a browser sent one. */
  origin?: string | undefined;
}

/** The claims of a ticket, as stored in Redis under its digest. */
export interface TicketClaims {
  ticket_id: string;
  user_id: string;
  session_id: string;
  purpose: TicketPurpose;
  client_id?: string;
  conversation_id?: string;
  /** Origin of the page that minted it. */
  origin?: string;
  /** Milliseconds since the epoch by the clock of Redis, like the other times. */
  issued_at: number;
  /** Milliseconds since the epoch. Stored in the record, so that it holds even if the TTL in Redis does not. */
  expires_at: number;
  /** Expiry of the access token that minted it, and so of the socket: milliseconds since the epoch. */
  auth_expires_at: number;
  /** The server minted it for an open socket: see `TicketService.issueHandoff`. */
  handoff?: true;
}

/** Claims of a new ticket for the signed-in user. */
export function newClaims(
  digest: TicketDigest,
  user: UserContext,
  request: TicketRequest,
  ttlSeconds: number,
): TicketClaims {
  const now = redisNow();
  const claims: TicketClaims = {
    ticket_id: digest.id,
    user_id: user.userId,
    session_id: user.sessionId,
    purpose: request.purpose,
    issued_at: now,
    expires_at: now + ttlSeconds * 1000,
    auth_expires_at: user.expiresAtMs,
  };
  if (request.clientId !== undefined) claims.client_id = request.clientId;
  if (request.conversationId !== undefined) claims.conversation_id = request.conversationId;
  if (request.origin !== undefined) claims.origin = request.origin;
  return claims;
}
