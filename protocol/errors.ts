/**
 * Every error that Admit One can return over HTTP, at the upgrade and in frames.
 * One row per code: the status line, the problem object and the close frame are built from it.
 */

import type { CloseName } from './close-codes.js';

/**
 * What a client should do next: `none` sign in or fix the request; `new_ticket` mint a ticket and try again at once;
 * `backoff` try again later, doubling the wait; `after` wait `retry_after_ms`, then try again.
 */
export type Retry = 'none' | 'new_ticket' | 'backoff' | 'after';

export interface ErrorRow {
  /** HTTP status of a response that carries this code. */
  readonly status: number;
  readonly title: string;
  readonly retry: Retry;
  /** How a socket closes when this error ends it; absent when it never does. */
  readonly close?: CloseName;
}

function row(status: number, title: string, retry: Retry, close?: CloseName): ErrorRow {
  return close === undefined ? { status, title, retry } : { status, title, retry, close };
}

export const ERRORS = {
  token_missing: row(401, 'Access token missing', 'none'),
  token_malformed: row(401, 'Access token malformed', 'none'),
  token_invalid: row(401, 'Access token invalid', 'none'),
  token_expired: row(401, 'Access token expired', 'none', 'auth_expired'),
  session_revoked: row(401, 'Session revoked', 'none', 'session_revoked'),
  session_expired: row(401, 'Session expired', 'none', 'session_revoked'),
  user_disabled: row(403, 'User disabled', 'none', 'session_revoked'),
  credentials_invalid: row(401, 'E-mail or password is wrong', 'none'),
  refresh_reused: row(401, 'Refresh token used before', 'none'),
  registration_closed: row(403, 'Registration is closed', 'none'),
  email_taken: row(409, 'E-mail address has an account already', 'none'),
  multiple_credentials: row(400, 'More than one credential', 'none'),
  auth_method_disabled: row(403, 'Authentication method is switched off', 'none'),
  ticket_missing: row(403, 'WebSocket ticket missing', 'new_ticket'),
  ticket_malformed: row(403, 'WebSocket ticket malformed', 'new_ticket'),
  ticket_unknown: row(403, 'WebSocket ticket unknown', 'new_ticket'),
  ticket_expired: row(403, 'WebSocket ticket expired', 'new_ticket'),
  ticket_consumed: row(403, 'WebSocket ticket used before', 'new_ticket'),
  ticket_revoked: row(403, 'WebSocket ticket revoked', 'new_ticket'),
  ticket_binding_origin: row(403, 'WebSocket ticket was issued to another origin', 'new_ticket'),
  ticket_binding_path: row(403, 'WebSocket ticket was issued for another path', 'new_ticket'),
  ticket_binding_conversation: row(403, 'WebSocket ticket was issued for another conversation', 'new_ticket'),
  ticket_binding_client: row(403, 'WebSocket ticket was issued to another client', 'new_ticket'),
  ticket_rejected: row(403, 'WebSocket ticket rejected', 'new_ticket', 'forbidden'),
  origin_not_allowed: row(403, 'Origin not allowed', 'none'),
  protocol_unsupported: row(400, 'Not a WebSocket handshake that this server speaks', 'none'),
  conversation_not_found: row(
    404,
    'Conversation not found or access denied',
    'none',
    'conversation_not_found',
  ),
  run_not_found: row(404, 'Run not found', 'none'),
  run_busy: row(409, 'A run is in progress in this conversation', 'backoff'),
  forbidden: row(403, 'Forbidden', 'none', 'forbidden'),
  cancel_forbidden: row(403, 'This run cannot be cancelled by you', 'none'),
  idempotency_conflict: row(409, 'client_message_id was used with other content', 'none'),
  rate_limited: row(429, 'Too many requests', 'after', 'rate_limited'),
  connection_limit: row(403, 'Too many connections', 'backoff', 'connection_limit'),
  payload_too_large: row(413, 'Payload too large', 'none', 'frame_too_large'),
  frame_invalid: row(400, 'Frame is not usable', 'none', 'bad_frame'),
  frame_unknown: row(400, 'Frame type is unknown', 'none', 'bad_frame'),
  validation_failed: row(400, 'Validation failed', 'none'),
  draining: row(503, 'Server is draining', 'after', 'service_restart'),
  dependency_unavailable: row(503, 'A dependency is unavailable', 'after', 'dependency_unavailable'),
  not_found: row(404, 'Not found', 'none'),
  internal: row(500, 'Internal error', 'backoff', 'internal'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

/** Why an access token, or its session or user, is refused. */
export const TOKEN_CODES = [
  'token_missing',
  'token_malformed',
  'token_invalid',
  'token_expired',
  'session_revoked',
  'session_expired',
  'user_disabled',
] as const satisfies readonly ErrorCode[];

/**
 * The only codes that a refused upgrade shows to the client. The exact cause is in the ticket's receipt, which only its
 * owner can read.
 */
export const UPGRADE_PUBLIC_CODES = [
  'ticket_rejected',
  'origin_not_allowed',
  'rate_limited',
  'dependency_unavailable',
  'draining',
] as const satisfies readonly ErrorCode[];

/** An error as sent: RFC 9457 `application/problem+json`, and the `data` of an `error` frame. */
export interface Problem {
  /** URI that identifies the code; ends in `/problems/{code}`. */
  type: string;
  title: string;
  status: number;
  detail: string;
  /** Path of the request, or `/ws` for a frame. Never carries a query string. */
  instance: string;
  code: ErrorCode;
  trace_id: string;
  retry: Retry;
  retry_after_ms: number;
}
