import { trimmed } from '../../protocol/text.js';

/** The only place that converts typed text to the form that is stored and compared. */

/** An e-mail address without surrounding white space, in lower case, so that one address is one account. */
export function normalEmail(typed: string): string {
  return trimmed(typed).toLowerCase();
}

/**
 * A password in the OpaqueString profile of RFC 8265 section 4.2: Unicode NFC, and every space becomes an ASCII one.
 * The same keys give different code points on different systems. Nothing is trimmed.
 */
export function normalPassword(typed: string): string {
  return typed.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}
