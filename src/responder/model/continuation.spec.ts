import { describe, expect, it } from '@jest/globals';
import { Continuation } from './continuation.js';
import { ThoughtFilter } from './thoughts.js';

function joined(written: string, output: string): string {
  const continuation = new Continuation(written);
  return written + [...output].map((piece) => continuation.push(piece)).join('') + continuation.rest();
}

describe('Continuation', () => {
  it.each([
    ['goes on', 'Hello', ' world', 'Hello world'],
    ['begins anew', 'Hello', 'Hello world', 'Hello world'],
    [
      'begins anew, with white space before it',
      '  Hello there',
      'Hello there, friend',
      '  Hello there, friend',
    ],
    [
      'repeats the last words',
      'One two three four five',
      'three four five six',
      'One two three four five six',
    ],
    ['repeats the beginning and stops', 'The quick brown fox', 'The quick brown', 'The quick brown fox'],
    ['says nothing more', 'The whole answer.', '', 'The whole answer.'],
    ['repeats a few letters that are meant', 'ha ha', ' ha', 'ha ha ha'],
    ['begins with a second space', 'Hello ', ' world', 'Hello world'],
  ])('shows nothing twice when a model %s', (_name, written, output, whole) => {
    expect(joined(written, output)).toBe(whole);
  });

  it('fails when the model begins anew with other words', () => {
    expect(() => joined('Hello there my friend', 'Hello there my dear')).toThrow(
      expect.objectContaining({ detail: expect.stringContaining('began anew with other words') }),
    );
  });
});

describe('ThoughtFilter', () => {
  it.each([
    ['<think>a b</think>\n\n42', '42', 'a b'],
    ['\n<thinking>a</thinking>42', '42', 'a'],
    ['42 <think>no</think>', '42 <think>no</think>', ''],
    ['<thin air', '<thin air', ''],
    ['<think>never ends', '', 'never ends'],
    ['<think></think>', '', ''],
  ])('sorts %j however it is cut', (output, text, thoughts) => {
    for (let size = 1; size <= output.length; size++) {
      const filter = new ThoughtFilter();
      const pieces = output.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      const sorted = [...pieces.map((piece) => filter.push(piece)), filter.end()];
      expect(sorted.map((part) => part.text).join('')).toBe(text);
      expect(sorted.map((part) => part.thoughts).join('')).toBe(thoughts);
    }
  });
});
