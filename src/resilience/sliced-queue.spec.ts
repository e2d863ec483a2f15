import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SlicedQueue } from './sliced-queue.js';

describe('SlicedQueue', () => {
  let done: number[];
  let queue: SlicedQueue<number>;
  let now = 0;

  beforeEach(() => {
    jest.useFakeTimers();
    done = [];
    queue = new SlicedQueue((item) => {
      // Each item takes 4 ms.
      now += 4;
      done.push(item);
    });
    jest.spyOn(performance, 'now').mockImplementation(() => now);
  });

  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  const turn = () => jest.runOnlyPendingTimers();

  it('works at once when there is little', () => {
    queue.push(1);
    queue.push(2);
    expect(done).toEqual([1, 2]);
  });

  it('does the rest in later turns, in order, and lets the loop free in between', () => {
    for (let item = 1; item <= 8; item++) queue.push(item);
    expect(done).toEqual([1, 2, 3]);
    turn();
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
    queue.push(9);
    expect(done).toHaveLength(6);
    turn();
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    turn();
    queue.push(10);
    expect(done.at(-1)).toBe(10);
  });
});
