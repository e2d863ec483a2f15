import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AppLogger } from './logger.js';
import { RefusalLogService } from './refusal-log.service.js';

describe('RefusalLogService', () => {
  let lines: Record<string, unknown>[];
  let refusals: RefusalLogService;

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
    refusals = new RefusalLogService(new AppLogger({ logLevel: 'info', nodeName: 'n1' }, stream));
  });

  afterEach(() => {
    refusals.onModuleDestroy();
    jest.useRealTimers();
  });

  const refuse = (reason: string, who: string, times = 1) => {
    for (let count = 0; count < times; count++) refusals.write('warn', 'auth.refused', reason, who, { who });
  };
  const counts = () => lines.map(({ who, count }) => [who, count]);

  it('writes the first of a cause at once, and the rest as one line every ten seconds', () => {
    refuse('token_invalid', 'a', 500);
    expect(counts()).toEqual([['a', 1]]);
    jest.advanceTimersByTime(11_000);
    refuse('token_invalid', 'a', 3);
    expect(counts()).toEqual([
      ['a', 1],
      ['a', 499],
    ]);
    jest.advanceTimersByTime(30_000);
    expect(counts().map(([, count]) => count)).toEqual([1, 499, 3]);
  });

  it('gives repeated refusals the trace id of a line that is already written', () => {
    const write = (who: string) => refusals.write('warn', 'auth.refused', 'token_invalid', who, {});
    const written = () => lines.map((line) => line.trace_id);
    const [first, second] = [write('a'), write('a')];
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect([second, written()]).toEqual([first, [first]]);
    expect(write('b')).not.toBe(first);
    jest.advanceTimersByTime(11_000);
    expect(written().filter((id) => id === first)).toHaveLength(2);
    expect(write('a')).toBe(first);
    jest.advanceTimersByTime(30_000);
    expect(write('a')).not.toBe(first);
  });

  it('counts causes and addresses separately', () => {
    refuse('token_invalid', 'a', 2);
    refuse('token_expired', 'a', 2);
    refuse('token_invalid', 'b', 2);
    expect(lines).toHaveLength(3);
  });

  it('writes the counts that it drops when there are too many causes', () => {
    refuse('token_invalid', 'first', 5);
    for (let index = 0; index < 10_000; index++) refuse('token_invalid', `address-${index}`);
    expect(counts().filter(([who]) => who === 'first')).toEqual([
      ['first', 1],
      ['first', 4],
    ]);
  });

  it('writes the remaining counts when it ends', () => {
    refuse('token_invalid', 'a', 4);
    refusals.onModuleDestroy();
    expect(counts()).toEqual([
      ['a', 1],
      ['a', 3],
    ]);
  });
});
