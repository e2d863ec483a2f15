import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { beginningOf, endOfPiece } from './text-pieces.js';

const bytesOf = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

/** Any text: well-formed, with characters that JSON escapes, and with half surrogate pairs. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom('\u0001', '"', '\\', '\n', 'ä', '€', '😀', '\ud83d', '\ude00'),
    maxLength: 300,
  }),
);
/** From less than one character to more than the whole text. */
const limit = fc.integer({ min: 12, max: 400 });

function piecesOf(whole: string, maxBytes: number): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < whole.length;) {
    const end = endOfPiece(whole, start, maxBytes);
    pieces.push(whole.slice(start, end));
    start = end;
  }
  return pieces;
}

describe('pieces of a text', () => {
  it('add up to the whole text, stay within the limit, and are as long as possible', () => {
    fc.assert(
      fc.property(text, limit, (whole, maxBytes) => {
        const pieces = piecesOf(whole, maxBytes);
        expect(pieces.join('')).toBe(whole);
        for (const [index, piece] of pieces.entries()) {
          expect(bytesOf(piece)).toBeLessThanOrEqual(maxBytes);
          const following = pieces[index + 1];
          if (following === undefined) continue;
          expect(bytesOf(piece) + bytesOf(String.fromCodePoint(following.codePointAt(0)!))).toBeGreaterThan(
            maxBytes,
          );
        }
      }),
    );
  });

  it('never split a surrogate pair', () => {
    fc.assert(
      fc.property(text, limit, (whole, maxBytes) => {
        const pieces = piecesOf(whole, maxBytes);
        for (const [index, piece] of pieces.slice(0, -1).entries()) {
          const isSplit = /[\ud800-\udbff]$/.test(piece) && /^[\udc00-\udfff]/.test(pieces[index + 1]!);
          expect(isSplit).toBe(false);
        }
      }),
    );
  });
});

describe('beginningOf', () => {
  it('returns the whole text if it fits', () => {
    expect(beginningOf('a€', 4)).toBe('a€');
    expect(beginningOf('a€', 3)).toBe('a');
  });
});
