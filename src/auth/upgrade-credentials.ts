import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../errors/app-error.js';
import type { TicketClaims } from '../ticket/ticket-claims.js';

/** A request to open a socket, before any decision about it. */
export interface UpgradeRequest {
  headers: IncomingHttpHeaders;
  query: URLSearchParams;
  /** Conversation of the path, if the path names one. */
  conversationId: string | undefined;
  /** Network address of the client, for the log. */
  address?: string;
  /** Text of the first frame, for a socket that opened without a credential. */
  firstMessage?: string;
}

/** @throws {AppError} `multiple_credentials`: the server does not guess which one is meant, so none is checked. */
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

/** Whether the request contains a credential, cookies aside. */
export function hasCredential(request: UpgradeRequest): boolean {
  return request.query.has('ticket') || countOthers(request) > 0;
}

/** @throws {AppError} `token_missing` */
export function bearerToken(authorization: string | undefined): string {
  const token = findBearer(authorization);
  if (token === undefined)
    throw new AppError('token_missing', { detail: 'Missing or invalid Authorization header' });
  return token;
}

/**
 * RFC 6750 section 2.1; the scheme's name is case-insensitive (RFC 9110 section 11.1). Other schemes are for somebody else:
 * a browser repeats the `Basic` of a site behind a password in every request, upgrades too.
 */
export function findBearer(authorization: string | undefined): string | undefined {
  return /^Bearer +(.*)$/i.exec(authorization ?? '')?.[1];
}

/** A ticket opens only what it was minted for. One without a conversation opens any path of its user. */
export function requireBindings(
  claims: TicketClaims,
  { headers, query, conversationId }: UpgradeRequest,
): void {
  if (claims.purpose !== 'connect')
    throw new AppError('ticket_binding_path', { detail: 'a refresh ticket opens no socket' });
  if (claims.origin !== undefined && claims.origin !== headers.origin)
    throw new AppError('ticket_binding_origin');
  if (claims.conversation_id !== undefined && claims.conversation_id !== conversationId) {
    throw new AppError(conversationId === undefined ? 'ticket_binding_path' : 'ticket_binding_conversation');
  }
  const clientId = query.get('client_id');
  if (clientId !== null && clientId !== claims.client_id) throw new AppError('ticket_binding_client');
}

/** A socket is renewed by a refresh ticket of its own session, and of its own client if it names one. */
export function requireRenewal(claims: TicketClaims, sessionId: string, clientId: string): void {
  if (claims.purpose !== 'refresh')
    throw new AppError('ticket_binding_path', { detail: 'not a refresh ticket' });
  if (claims.session_id !== sessionId)
    throw new AppError('forbidden', { detail: 'another session’s ticket' });
  if (claims.client_id !== undefined && claims.client_id !== clientId)
    throw new AppError('ticket_binding_client');
}

/** Credentials that are not tickets. */
function countOthers({ headers, query }: UpgradeRequest): number {
  return (
    query.getAll('token').length +
    query.getAll('session_token').length +
    Number(findBearer(headers.authorization) !== undefined) +
    Number(headers['x-auth-token'] !== undefined) +
    Number(offersCredential(headers['sec-websocket-protocol']))
  );
}

function offersCredential(subprotocols: string | undefined): boolean {
  return subprotocols !== undefined && /(^|[,\s])bearer\./i.test(subprotocols);
}
