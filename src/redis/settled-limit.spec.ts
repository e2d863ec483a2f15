import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { RedisClient } from './redis-client.js';
import { SettledLimit } from './settled-limit.js';

const WINDOW_MS = 60_000;

describe('SettledLimit', () => {
  /** What all nodes have told, by key. */
  let told: Map<string, { count: number; endsAtMs: number }>;
  let commands: number;
  let isDown: boolean;

  const redis = {
    set: (key: string, count: number, _px: string, lifeMs: number) => {
      commands += 1;
      if (!told.has(key)) told.set(key, { count, endsAtMs: Date.now() + lifeMs });
      return Promise.resolve('OK');
    },
    incrby: (key: string, uses: number) => {
      commands += 1;
      const entry = told.get(key)!;
      entry.count += uses;
      return Promise.resolve(entry.count);
    },
    pttl: (key: string) => {
      commands += 1;
      return Promise.resolve(told.get(key)!.endsAtMs - Date.now());
    },
  } as unknown as RedisClient;

  const node = (points: number) =>
    new SettledLimit(
      points,
      WINDOW_MS,
      (subject) => `limit:${subject}`,
      (call) => (isDown ? Promise.reject(new Error('down')) : call(redis)),
    );
  const use = (limit: SettledLimit, times: number) =>
    Array.from({ length: times }, () => limit.take('a')).filter(({ isOver }) => !isOver).length;
  const settle = () => jest.advanceTimersByTimeAsync(250);

  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000_000 });
    [told, commands, isDown] = [new Map(), 0, false];
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('is exact on one node, and says what is left and when the window ends', async () => {
    const limit = node(10);
    expect(use(limit, 12)).toBe(10);
    expect(limit.take('a')).toEqual({ isOver: true, remaining: 0, resetMs: WINDOW_MS });
    expect(limit.take('a').isOver).toBe(true);
    expect(limit.take('b')).toMatchObject({ isOver: false, remaining: 9 });
    await settle();
    await jest.advanceTimersByTimeAsync(WINDOW_MS);
    expect(use(limit, 12)).toBe(10);
  });

  it('asks Redis for nothing below a tenth of the limit', async () => {
    use(node(100), 9);
    await settle();
    expect(commands).toBe(0);
  });

  it('holds over two nodes, but for what each did within 250 ms', async () => {
    const [one, other] = [node(100), node(100)];
    expect(use(one, 60)).toBe(60);
    await settle();
    expect(use(other, 10)).toBe(10);
    await settle();
    expect(use(other, 100)).toBe(30);
    await settle();
    expect(use(one, 1)).toBe(1);
    await settle();
    expect(use(one, 1)).toBe(0);
    expect(told.get('limit:a')).toMatchObject({ count: 101, endsAtMs: 1_000_000 + 250 + WINDOW_MS });
  });

  it('has room for a use that was taken back, before and after Redis was told of it', async () => {
    const [limit, other] = [node(10), node(10)];
    expect(use(limit, 10)).toBe(10);
    limit.giveBack('a');
    expect(use(limit, 2)).toBe(1);
    await settle();
    expect(told.get('limit:a')?.count).toBe(10);
    limit.giveBack('a');
    await settle();
    expect(told.get('limit:a')?.count).toBe(9);
    expect(use(other, 1)).toBe(1);
    await settle();
    expect(use(other, 1)).toBe(0);
    limit.giveBack('b');
    expect(limit.take('b').remaining).toBe(9);
  });

  it('counts on while Redis is down, and tells it later', async () => {
    const limit = node(10);
    isDown = true;
    expect(use(limit, 4)).toBe(4);
    await settle();
    isDown = false;
    await settle();
    expect(told.get('limit:a')?.count).toBe(4);
    expect(use(limit, 10)).toBe(6);
  });
});
