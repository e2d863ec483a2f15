import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { WriteBatch } from './write-batch.js';

describe('WriteBatch', () => {
  let written: string[][];
  let dropped: string[];
  let failures: number[];
  let outcome: () => Promise<void>;
  let batch: WriteBatch<string>;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    [written, dropped, failures] = [[], [], []];
    outcome = () => Promise.resolve();
    batch = new WriteBatch<string>({
      delayMs: 100,
      maxPerWrite: 3,
      maxWaiting: 5,
      write: (values) => {
        written.push([...values]);
        return outcome();
      },
      failed: (_error, waiting) => void failures.push(waiting),
      dropped: (value) => void dropped.push(value),
    });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  const put = (...values: string[]) => {
    for (const value of values) batch.put(value.charAt(0), value);
  };

  it('writes what came within the delay together, and only the last value of a key', async () => {
    put('a1', 'b1', 'a2');
    await jest.advanceTimersByTimeAsync(99);
    expect(written).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(written).toEqual([['a2', 'b1']]);
    await jest.advanceTimersByTimeAsync(1000);
    expect(written).toHaveLength(1);
  });

  it('writes no more at a time than it may', async () => {
    put('a', 'b', 'c', 'd');
    await batch.flush();
    expect(written).toEqual([['a', 'b', 'c'], ['d']]);
  });

  it('writes again what could not be written, before what came later', async () => {
    outcome = () => Promise.reject(new Error('down'));
    put('a1', 'b1');
    await batch.flush();
    expect(failures).toEqual([2]);
    outcome = () => Promise.resolve();
    put('c1', 'a2');
    await jest.advanceTimersByTimeAsync(100);
    expect(written).toEqual([
      ['a1', 'b1'],
      ['a2', 'b1', 'c1'],
    ]);
    expect(batch.size).toBe(0);
  });

  it('lets no later value overtake one that is being written', async () => {
    let end: () => void = () => undefined;
    outcome = () => new Promise((resolve) => (end = resolve));
    put('a1');
    const first = batch.flush();
    put('a2');
    await jest.advanceTimersByTimeAsync(1000);
    expect(written).toEqual([['a1']]);
    expect(batch.take('b')).toBeUndefined();
    end();
    await first;
    await jest.advanceTimersByTimeAsync(100);
    expect(written).toEqual([['a1'], ['a2']]);
    end();
  });

  it('drops the oldest beyond its bound', async () => {
    outcome = () => Promise.reject(new Error('down'));
    put('a', 'b', 'c', 'd', 'e', 'f');
    expect(dropped).toEqual(['a']);
    await batch.flush();
    put('g');
    expect(dropped).toEqual(['a', 'b']);
    expect(batch.size).toBe(5);
  });

  it('gives back what is not being written yet', async () => {
    put('a');
    expect(batch.take('a')).toBe('a');
    await batch.flush();
    expect(written).toEqual([]);
  });
});
