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
