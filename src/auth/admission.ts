import type { UserContext } from '../identity/user-context.js';
import type { TicketClaims } from '../ticket/ticket-claims.js';
import type { ConsumedTicket } from '../ticket/ticket.service.js';

/** A socket that may open. Its ticket, if it came with one, is used up; `settle` records which socket that was. */
export interface Admission {
  user: UserContext;
  conversationId: string | undefined;
  ticket?: ConsumedTicket;
  /** Additional headers of the handshake response. */
  answerHeaders?: Readonly<Record<string, string>>;
}

/** Adds a connection to those of its user. @throws {AppError} `connection_limit`, `dependency_unavailable` */
export type EnterConnection = (
  claims: Pick<TicketClaims, 'user_id' | 'session_id' | 'client_id'>,
) => Promise<void>;
