import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../errors/app-error.js';

/** What a request to open a socket brings, before anything is decided about it. */
export interface UpgradeRequest {
  headers: IncomingHttpHeaders;
  query: URLSearchParams;
  /** Conversation of the path, if it is a conversation's path. */
  conversationId: string | undefined;
  /** Network address of whoever dialled, for the log. */
  address?: string;
}

/** @throws {AppError} `multiple_credentials`: which of them is meant is not ours to guess, so none is looked at. */
export function requireOneCredential(request: UpgradeRequest): void {
  if (request.query.getAll('ticket').length + countOthers(request) > 1) {
    throw new AppError('multiple_credentials', { detail: 'expected one credential: ?ticket=' });
  }
}

/**
 * Finds the ticket of an upgrade.
 * @returns the ticket, or `undefined` when there is no credential at all.
 * @throws {AppError} `multiple_credentials` when more than one credential came; `auth_method_disabled` for a single one
 * that is not a ticket.
 */
export function findTicket(request: UpgradeRequest): string | undefined {
  requireOneCredential(request);
  if (countOthers(request) > 0) throw new AppError('auth_method_disabled', { detail: 'expected ?ticket=' });
  return request.query.get('ticket') ?? undefined;
}

/** Credentials that are not tickets. */
function countOthers({ headers, query }: UpgradeRequest): number {
  return (
    query.getAll('token').length +
    query.getAll('session_token').length +
    Number(headers.authorization !== undefined) +
    Number(headers['x-auth-token'] !== undefined) +
    Number(offersCredential(headers['sec-websocket-protocol']))
  );
}

function offersCredential(subprotocols: string | undefined): boolean {
  return subprotocols !== undefined && /(^|[,\s])bearer\./i.test(subprotocols);
}
