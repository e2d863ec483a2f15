import type { ErrorCode } from '../../protocol/errors.js';

/**
 * Refusals of a credential that this system gave out, or of a person with an account: more of them than usual means that
 * something is broken here, or that somebody tries credentials out. What strangers make up is not among them, nor what
 * was refused on purpose: a session that was ended, an account that was disabled, a ticket that was burnt.
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

/** People mistype. No measurement stands behind this one: it is what guessing exceeds and a Monday morning does not. */
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
