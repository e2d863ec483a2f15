import { trimmed } from '../../protocol/text.js';

/** The one place that makes of what a person types what is stored and compared. */

/** An e-mail address: without white space around it, in lower case, so that one address is one account. */
export function normalEmail(typed: string): string {
  return trimmed(typed).toLowerCase();
}

/**
 * A password, as the OpaqueString profile of RFC 8265 section 4.2 has it: Unicode NFC, and any space is the ASCII one. The
 * same keys give other code points on other systems. Nothing is trimmed.
 */
export function normalPassword(typed: string): string {
  return typed.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}
