import type { ErrorCode } from '../../protocol/errors.js';

/**
 * Refusals of a credential that this system issued, or of a person with an account: more of them than usual means that
 * something is broken here, or that somebody is guessing credentials. Made-up credentials do not count, nor refusals on
 * purpose: a session that was ended, an account that was disabled, a ticket that was revoked.
 */
const FAILURES: ReadonlySet<ErrorCode> = new Set([
  'token_expired',
  'session_expired',
  'refresh_reused',
  'credentials_invalid',
  'ticket_expired',
  'ticket_consumed',
  'ticket_binding_origin',
  'ticket_binding_path',
  'ticket_binding_conversation',
  'ticket_binding_client',
]);

/** Programs present what they were given: fewer than one attempt in a hundred may fail (docs/objectives.md). */
const FAILURE_OBJECTIVE = 0.01;

/** People mistype. This value is not measured: it is chosen so that guessing exceeds it and ordinary typos do not. */
const PASSWORD_OBJECTIVE = 0.1;

/** Below this many attempts in a window one failure says nothing about a rate. */
export const MIN_ATTEMPTS = 100;

export function isFailure(code: ErrorCode): boolean {
  return FAILURES.has(code);
}

/** The share of attempts on a path that may fail. */
export function objectiveOf(path: string): number {
  return path === 'password' ? PASSWORD_OBJECTIVE : FAILURE_OBJECTIVE;
}
