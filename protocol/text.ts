/** What both sides make of text that a person has typed. */

/** White space of any script, and what has no width at all: a person who copies an address often copies these as well. */
const AROUND = /[\p{White_Space}\u200b-\u200d\u2060\ufeff]/u;
/** Nothing that anybody could see. */
const BLANK = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}]*$/u;

/** The text without white space at its beginning and end. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && AROUND.test(text.charAt(start))) start += 1;
  while (end > start && AROUND.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** True for a text in which there is nothing to see: white space, and characters without a width. */
export function isBlank(text: string): boolean {
  return BLANK.test(text);
}
