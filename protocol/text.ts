/** How both sides treat text that a person has typed. */

/** White space of any script and zero-width characters, which are often copied along with an address. */
const AROUND = /[\p{White_Space}\u200b-\u200d\u2060\ufeff]/u;
/** Only invisible characters. */
const BLANK = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}]*$/u;

/** The text without white space at both ends. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && AROUND.test(text.charAt(start))) start += 1;
  while (end > start && AROUND.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** True for a text of only white space and zero-width characters. */
export function isBlank(text: string): boolean {
  return BLANK.test(text);
}

/** NUL, and a surrogate without its pair. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const EVERY_UNSTORABLE = new RegExp(UNSTORABLE, 'gu');

/** True for text that UTF-8 or PostgreSQL cannot store: with a lone surrogate or NUL. */
export function unstorable(text: string): boolean {
  return UNSTORABLE.test(text);
}

/** The text with a replacement character for each that cannot be stored. */
export function storableText(text: string): string {
  return unstorable(text) ? text.replaceAll(EVERY_UNSTORABLE, '\ufffd') : text;
}

/** Far deeper than anything that the protocol has. */
const MAX_DEPTH = 64;

/**
 * Why a parsed JSON value cannot be taken, or `undefined`. JSON may name any code unit (RFC 8259 section 8.2), and what is
 * not Unicode is stored and compared as something else: two passwords would be one.
 */
export function textFault(value: unknown): string | undefined {
  return faultIn(value, '', MAX_DEPTH);
}

function faultIn(value: unknown, name: string, depth: number): string | undefined {
  if (typeof value === 'string')
    return unstorable(value) ? `${nameOf(name)} must be well-formed Unicode without NUL` : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === 0) return `the text must not be nested more than ${MAX_DEPTH} deep`;
  for (const [key, member] of Object.entries(value)) {
    if (unstorable(key)) return 'the name of each member must be well-formed Unicode without NUL';
    const fault = faultIn(member, Array.isArray(value) ? name : key, depth - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function nameOf(name: string): string {
  return name === '' ? 'the text' : `"${name}"`;
}
