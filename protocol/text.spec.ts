import { describe, expect, it } from '@jest/globals';
import { isBlank, trimmed } from './text.js';

describe('trimmed', () => {
  it.each([' ', '\t', '\n', '\u00a0', '\u0085', '\u2003', '\u3000', '\u200b', '\ufeff', '\u2028'])(
    'removes %j at both ends, and leaves it in the middle',
    (space) => expect(trimmed(`${space}${space}a${space}b${space}`)).toBe(`a${space}b`),
  );

  it('turns white space alone into an empty text', () => {
    expect(trimmed(' \u00a0 ')).toBe('');
  });
});

describe('isBlank', () => {
  it.each(['', '   ', ' \n\t ', '\u00a0', '\u200b', '\u200b \u2060\ufeff', '\u00ad', '\u3164', '\ufe0f'])(
    'is true for %j',
    (text) => expect(isBlank(text)).toBe(true),
  );

  it.each(['a', ' . ', '\u200bx', '👨‍👩‍👧', '0', '…'])('is false for %j', (text) => {
    expect(isBlank(text)).toBe(false);
  });
});
