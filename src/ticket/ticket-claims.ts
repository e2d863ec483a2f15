import type { TicketPurpose } from '../../protocol/resources.js';

/** What a ticket stands for, as it lies in Redis under the digest of the ticket. */
export interface TicketClaims {
  ticket_id: string;
  user_id: string;
  session_id: string;
  purpose: TicketPurpose;
  client_id?: string;
  conversation_id?: string;
  /** Origin of the page that minted it. */
  origin?: string;
  /** Milliseconds since the epoch. */
  issued_at: number;
  /** Milliseconds since the epoch. The record carries its own end: it holds whatever Redis makes of the TTL. */
  expires_at: number;
  /** End of the access token that minted it, and so of the socket's time: milliseconds since the epoch. */
  auth_expires_at: number;
}
