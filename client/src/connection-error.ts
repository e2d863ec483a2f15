import {
  CLOSE_CODES,
  reconnectPolicy,
  type CloseName,
  type ReconnectPolicy,
} from '../../protocol/close-codes.js';
import { ERRORS, isErrorCode, type Retry } from '../../protocol/errors.js';
import type { Receipt } from '../../protocol/resources.js';
import { ApiError, kindOf, networkError, type ErrorKind } from './errors.js';

const RETRY_OF_POLICY: Record<ReconnectPolicy, Retry> = {
  now: 'new_ticket',
  backoff: 'backoff',
  stop: 'none',
};

/** Why an established socket ended. Without a code there was no close frame: the network or a process failed. */
export function closeError(code: number | undefined, reason: string): ApiError {
  const retry = code === undefined ? 'backoff' : RETRY_OF_POLICY[reconnectPolicy(code)];
  const wait = /(?:^|;)retry_after_ms=(\d{1,9})(?:;|$)/.exec(reason)?.[1];
  const name = closeName(code);
  return new ApiError({
    kind: closeKind(code, retry),
    code: name ?? 'connection_lost',
    message:
      (name && CLOSE_TEXTS[name]) ??
      (code === undefined ? 'The connection was lost' : `The connection ended (${code})`),
    retry: retry === 'backoff' && wait !== undefined ? 'after' : retry,
    retryAfterMs: Number(wait ?? 0),
    detail: reason,
  });
}

/**
 * Why a handshake failed. A browser shows every refused upgrade as the same close without status or body; the receipt
 * of the ticket contains the cause.
 */
export function receiptError(receipt: Receipt): ApiError {
  if (receipt.close !== undefined) return closeError(receipt.close.code, receipt.close.reason);
  if (receipt.state === 'expired') return refusedTicket('ticket_expired');
  if (receipt.state === 'revoked') return refusedTicket('ticket_revoked');
  if (receipt.state === 'rejected') return refusedTicket(receipt.code ?? 'ticket_rejected');
  return networkError('The connection could not be opened');
}

/** Whether a socket ended because the next one of this client is open (section 8 of the protocol). */
export function hasSuccessor(end: { code: number | undefined }): boolean {
  return end.code === CLOSE_CODES.handoff_done;
}

/** The application ended the connection. */
export function closedError(): ApiError {
  return new ApiError({
    kind: 'connection',
    code: 'closed',
    message: 'The connection was closed',
    retry: 'none',
  });
}

/** The budget of attempts is spent; `cause` is why the last one failed. */
export function exhaustedError(cause: ApiError): ApiError {
  return new ApiError({
    kind: cause.kind,
    code: 'attempts_exhausted',
    message: 'Connection failed. Please refresh the page.',
    detail: cause.message,
    retry: 'none',
    cause,
  });
}

function refusedTicket(code: string): ApiError {
  const row = ERRORS[isErrorCode(code) ? code : 'ticket_rejected'];
  return new ApiError({
    kind: kindOf(row.status, code),
    code,
    message: row.title,
    retry: row.retry,
    status: row.status,
  });
}

function closeKind(code: number | undefined, retry: Retry): ErrorKind {
  if (code === undefined) return 'connection';
  if (AUTH_CLOSES.has(code)) return 'auth';
  if (retry === 'none') return 'request';
  return code >= CLOSE_CODES.internal && code < CLOSE_CODES.internal + 100 ? 'server' : 'connection';
}

function closeName(code: number | undefined): CloseName | undefined {
  const entry = Object.entries(CLOSE_CODES).find(([, value]) => value === code);
  return entry?.[0] as CloseName | undefined;
}

const AUTH_CLOSES: ReadonlySet<number> = new Set([CLOSE_CODES.forbidden, CLOSE_CODES.session_revoked]);

const CLOSE_TEXTS: Partial<Record<CloseName, string>> = {
  normal: 'The server closed the connection',
  going_away: 'The server went away',
  service_restart: 'The server is restarting',
  frame_too_large: 'A message was too large for the connection',
  auth_expired: 'The sign-in of this connection ran out',
  rebalance: 'The server asked to connect again',
  handoff_done: 'A newer connection took over',
  bad_frame: 'The server could not understand this client',
  forbidden: 'You may not use this connection any more',
  conversation_not_found: 'The conversation was deleted',
  replaced: 'This window was replaced by a newer connection',
  session_revoked: 'Your session was ended',
  connection_limit: 'Too many connections are open for this account',
  internal: 'The server had an internal error',
  dependency_unavailable: 'The server lost a service that it needs',
  slow_consumer: 'This connection was too slow',
  heartbeat_timeout: 'This connection stopped answering',
  rate_limited: 'Too many requests from this connection',
};
