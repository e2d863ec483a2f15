import { describe, expect, test } from '@jest/globals';
import { expiryWarningAtMs } from './expiry-warning.js';

describe('expiryWarningAtMs', () => {
  test.each([
    ['a minute before the end of a quarter of an hour', 900, 840],
    ['a minute before the end of two minutes', 120, 60],
    ['after half of one minute', 60, 30],
    ['after half of the shortest life of a token', 10, 5],
    ['at once when the time is over', -5, -5],
  ])('is %s', (_when, lifeSeconds, afterSeconds) => {
    const now = 1_800_000_000_000;
    expect(expiryWarningAtMs(now, now + lifeSeconds * 1000)).toBe(now + afterSeconds * 1000);
  });
});
