import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { clockSkewMs, redisNow, takeReading } from './redis-clock.js';

const HOUR_MS = 3_600_000;

/** The order matters: the process has one clock, so each test starts from the reading of the one before. */
describe('the clock of Redis', () => {
  beforeEach(() => void jest.useFakeTimers({ now: 10 * HOUR_MS }));
  afterEach(() => void jest.useRealTimers());

  /** A reading that finds Redis `aheadMs` ahead of this machine. */
  const read = (aheadMs: number, errorMs: number) => {
    const takenMs = performance.now();
    takeReading({ offsetMs: Date.now() + aheadMs - takenMs, errorMs, takenMs });
  };

  it('is the clock of this machine until Redis was asked', () => {
    expect(redisNow()).toBe(Date.now());
    expect(clockSkewMs()).toBe(0);
  });

  it('follows the reading and keeps running between readings', () => {
    read(-90_000, 1);
    expect(redisNow()).toBe(Date.now() - 90_000);
    expect(clockSkewMs()).toBe(90_000);
    jest.advanceTimersByTime(5000);
    expect(redisNow()).toBe(10 * HOUR_MS + 5000 - 90_000);
  });

  it('does not change when the clock of this machine is set', () => {
    read(0, 0);
    const before = redisNow();
    jest.setSystemTime(12 * HOUR_MS);
    expect(redisNow()).toBe(before);
    expect(clockSkewMs()).toBe(2 * HOUR_MS);
  });

  it('keeps the more exact of two readings that agree, for ten seconds', () => {
    read(0, 0);
    read(300, 400);
    expect(clockSkewMs()).toBe(0);
    jest.advanceTimersByTime(10_001);
    read(300, 400);
    expect(clockSkewMs()).toBe(-300);
  });

  it('takes the new reading at once when two readings cannot both be true', () => {
    read(0, 0);
    read(60_000, 400);
    expect(clockSkewMs()).toBe(-60_000);
  });
});
