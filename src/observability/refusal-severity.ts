import type { ErrorCode } from '../../protocol/errors.js';

/** Our own faults. */
const FAULTS: ReadonlySet<ErrorCode> = new Set(['dependency_unavailable', 'internal']);

/** What an honest client does not do: a credential used twice, or by somebody it was not given to. */
const ATTACKS: ReadonlySet<ErrorCode> = new Set([
  'ticket_consumed',
  'refresh_reused',
  'ticket_binding_origin',
]);

export function isFault(code: ErrorCode): boolean {
  return FAULTS.has(code);
}

/** Whether somebody must look at a refusal, or its user can mend it: an expired ticket, a wrong password. */
export function severityOf(code: ErrorCode): 'warn' | 'critical' {
  return isFault(code) || ATTACKS.has(code) ? 'critical' : 'warn';
}
