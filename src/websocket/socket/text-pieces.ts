/** Cuts text for frames. Bytes are counted for the text as a JSON string in UTF-8, without the quotes. */

/** Size of the longest escape: `\u0000`, for a control character or half a surrogate pair. */
const ESCAPE_BYTES = 6;
/** Control characters with a short escape in JSON: \b \t \n \f \r. */
const SHORT_ESCAPES = new Set([0x08, 0x09, 0x0a, 0x0c, 0x0d]);

/**
 * Returns where a piece from `start` must end to have at most `maxBytes`: an offset in UTF-16 code units, never inside
 * a surrogate pair. A piece always has at least one character.
 */
export function endOfPiece(text: string, start: number, maxBytes: number): number {
  // A code unit needs at most one escape, so a short rest fits without counting.
  if ((text.length - start) * ESCAPE_BYTES <= maxBytes) return text.length;
  let bytes = 0;
  let index = start;
  while (index < text.length) {
    const code = text.codePointAt(index)!;
    bytes += bytesInJson(code);
    if (bytes > maxBytes && index > start) return index;
    index += code > 0xffff ? 2 : 1;
  }
  return index;
}

/** Returns the longest beginning of a text that has at most `maxBytes`, but at least one character. */
export function beginningOf(text: string, maxBytes: number): string {
  return text.slice(0, endOfPiece(text, 0, maxBytes));
}

function bytesInJson(code: number): number {
  if (code < 0x20) return SHORT_ESCAPES.has(code) ? 2 : ESCAPE_BYTES;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  if (code >= 0xd800 && code <= 0xdfff) return ESCAPE_BYTES;
  return code < 0x10000 ? 3 : 4;
}
