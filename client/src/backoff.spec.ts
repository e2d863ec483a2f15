import { expect, test } from '@jest/globals';
import { Backoff } from './backoff.js';

test('draws from a range that doubles up to its limit', () => {
  const backoff = new Backoff(10, () => 1);
  backoff.setLimits({ baseMs: 100, maxMs: 1_000 });
  expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('may draw nothing at all: the jitter is full', () => {
  expect(new Backoff(1, () => 0).next()).toBe(0);
});

test('never waits less than it was told', () => {
  expect(new Backoff(1, () => 0).next(4_000)).toBe(4_000);
});

test('is spent after its attempts, and full again after a reset', () => {
  const backoff = new Backoff(1, () => 0);
  backoff.next();
  expect(backoff.next()).toBeUndefined();
  backoff.reset();
  expect(backoff.next()).toBe(0);
});
