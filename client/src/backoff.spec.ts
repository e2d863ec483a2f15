import { expect, test } from '@jest/globals';
import { Backoff } from './backoff.js';

test('backoff draws from a range that doubles up to its limit', () => {
  const backoff = new Backoff(10, () => 1);
  backoff.setLimits({ baseMs: 100, maxMs: 1_000 });
  expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('backoff may draw zero: the jitter is full', () => {
  expect(new Backoff(1, () => 0).next()).toBe(0);
});

test('backoff never waits less than its floor', () => {
  expect(new Backoff(1, () => 0).next(4_000)).toBe(4_000);
});

test('backoff is spent after its attempts, and full again after a reset', () => {
  const backoff = new Backoff(1, () => 0);
  backoff.next();
  expect(backoff.next()).toBeUndefined();
  backoff.reset();
  expect(backoff.next()).toBe(0);
});
