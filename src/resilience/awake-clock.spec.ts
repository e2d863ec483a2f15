import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AwakeClock } from './awake-clock.js';

describe('AwakeClock', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
    jest.advanceTimersByTime(1000);
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('counts time between two readings', () => {
    const clock = new AwakeClock();
    const start = clock.read();
    for (let second = 0; second < 12; second++) {
      jest.advanceTimersByTime(1000);
      clock.read();
    }
    expect(clock.read() - start).toBe(12_000);
  });

  test('does not count the time for which nobody could read it', () => {
    const clock = new AwakeClock();
    const start = clock.read();
    jest.advanceTimersByTime(60_000);
    expect(clock.read() - start).toBe(3000);
    jest.advanceTimersByTime(1000);
    expect(clock.read() - start).toBe(4000);
  });
});
