import type { UserContext } from '../identity/user-context.js';
import type { TicketClaims } from '../ticket/ticket-claims.js';
import type { ConsumedTicket } from '../ticket/ticket.service.js';

/** A socket that may open. Its ticket, if it came with one, is used up; `settle` says which socket. */
export interface Admission {
  user: UserContext;
  conversationId: string | undefined;
  ticket?: ConsumedTicket;
}

/** Takes a place among the connections of a user. */
export type TakePlace = (claims: Pick<TicketClaims, 'user_id' | 'session_id' | 'client_id'>) => Promise<void>;
