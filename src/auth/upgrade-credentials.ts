import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../errors/app-error.js';

/** What a request to open a socket brings, before anything is decided about it. */
export interface UpgradeRequest {
  headers: IncomingHttpHeaders;
  query: URLSearchParams;
  /** Conversation of the path, if it is a conversation's path. */
  conversationId: string | undefined;
}

/**
 * Finds the ticket of an upgrade.
 * @returns the ticket, or `undefined` when there is no credential at all.
 * @throws {AppError} `multiple_credentials` when more than one credential came; `auth_method_disabled` for a single one
 * that is not a ticket.
 */
export function findTicket({ headers, query }: UpgradeRequest): string | undefined {
  const tickets = query.getAll('ticket');
  const others =
    query.getAll('token').length +
    query.getAll('session_token').length +
    Number(headers.authorization !== undefined) +
    Number(headers['x-auth-token'] !== undefined) +
    Number(offersCredential(headers['sec-websocket-protocol']));
  if (tickets.length + others > 1) {
    throw new AppError('multiple_credentials', { detail: 'expected one credential: ?ticket=' });
  }
  if (others === 1) throw new AppError('auth_method_disabled', { detail: 'expected ?ticket=' });
  return tickets[0];
}

function offersCredential(subprotocols: string | undefined): boolean {
  return subprotocols !== undefined && /(^|[,\s])bearer\./i.test(subprotocols);
}
