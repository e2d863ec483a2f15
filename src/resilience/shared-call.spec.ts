import { describe, expect, it } from '@jest/globals';
import { SharedCall } from './shared-call.js';

describe('a shared call', () => {
  it('runs once for all who ask while it runs, and again afterwards', async () => {
    let runs = 0;
    const shared = new SharedCall(() => Promise.resolve(++runs));
    expect(await Promise.all([shared.ask(), shared.ask(), shared.ask()])).toEqual([1, 1, 1]);
    expect(await shared.ask()).toBe(2);
  });

  it('fails for all who asked, and not for those who ask afterwards', async () => {
    let runs = 0;
    const shared = new SharedCall(() =>
      ++runs === 1 ? Promise.reject(new Error('no')) : Promise.resolve(runs),
    );
    const asked = await Promise.allSettled([shared.ask(), shared.ask()]);
    expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await shared.ask()).toBe(2);
  });
});
