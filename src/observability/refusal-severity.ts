import type { ErrorCode } from '../../protocol/errors.js';

/** Our own faults. */
const FAULTS: ReadonlySet<ErrorCode> = new Set(['dependency_unavailable', 'internal']);

/** Signs of misuse: a credential used twice, or by somebody it was not issued to. */
const ATTACKS: ReadonlySet<ErrorCode> = new Set([
  'ticket_consumed',
  'refresh_reused',
  'ticket_binding_origin',
]);

export function isFault(code: ErrorCode): boolean {
  return FAULTS.has(code);
}

/** Whether an operator must look at a refusal, or the user can fix it: an expired ticket, a wrong password. */
export function severityOf(code: ErrorCode): 'warn' | 'critical' {
  return isFault(code) || ATTACKS.has(code) ? 'critical' : 'warn';
}
