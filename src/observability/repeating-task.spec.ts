import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AppLogger } from './logger.js';
import { RepeatingTask } from './repeating-task.js';

describe('RepeatingTask', () => {
  let lines: string[];
  let turns: number;
  let task: RepeatingTask;
  let work: () => Promise<number>;

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    turns = 0;
    work = () => Promise.resolve(1000);
    const logger = new AppLogger(
      { logLevel: 'info', nodeName: 'n1' },
      { write: (line) => void lines.push(line) },
    );
    const count = () => {
      turns += 1;
      return work();
    };
    task = new RepeatingTask(count, logger, 'work.failed', 200);
  });

  afterEach(() => {
    task.stop();
    jest.useRealTimers();
  });

  it('waits as long as the previous turn returned', async () => {
    task.start(50);
    await jest.advanceTimersByTimeAsync(50);
    expect(turns).toBe(1);
    await jest.advanceTimersByTimeAsync(999);
    expect(turns).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(turns).toBe(2);
  });

  it('does not begin a turn before the previous one has ended', async () => {
    let end: (delayMs: number) => void = () => undefined;
    work = () => new Promise((resolve) => (end = resolve));
    task.start(0);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(turns).toBe(1);
    end(10);
    await jest.advanceTimersByTimeAsync(10);
    expect(turns).toBe(2);
  });

  it('continues after a failed turn, and logs the failure', async () => {
    work = () => Promise.reject(new Error('no luck'));
    task.start(0);
    await jest.advanceTimersByTimeAsync(400);
    expect(turns).toBe(3);
    expect(lines[0]).toContain('"event":"work.failed"');
  });

  it('begins no turn after it was stopped, even while one was running', async () => {
    let end: (delayMs: number) => void = () => undefined;
    work = () => new Promise((resolve) => (end = resolve));
    task.start(0);
    await jest.advanceTimersByTimeAsync(0);
    task.stop();
    end(10);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(turns).toBe(1);
  });
});
