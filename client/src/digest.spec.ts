import { expect, test } from '@jest/globals';
import { isWholeText } from './digest.js';

const text = 'Grüße 👋';
// printf 'Grüße 👋' | sha256sum
const sha256 = '3745eff80308b1845900bac669c482402d94dcfcff0af891450dc1ff582d8d40';

test('a digest check accepts the whole text by UTF-16 length and UTF-8 digest', async () => {
  expect(await isWholeText(text, { length: 8, sha256 })).toBe(true);
});

test('a digest check refuses another length, and another text of the same length', async () => {
  expect(await isWholeText(text, { length: 10, sha256 })).toBe(false);
  expect(await isWholeText('Gruesse!', { length: 8, sha256 })).toBe(false);
});
