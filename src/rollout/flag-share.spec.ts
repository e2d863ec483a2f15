import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { isOnFor } from './flag-share.js';

const USERS = Array.from({ length: 1000 }, () => randomUUID());
const at = (percent: number, userId?: string) =>
  isOnFor('ticket_required', { enabled: true, percent }, userId);

describe('the share of users for whom a flag is on', () => {
  it.each([5, 25, 50, 90])('is close to %i percent of a thousand users', (percent) => {
    const share = USERS.filter((user) => at(percent, user)).length / USERS.length;
    // Five standard deviations of a fair draw: wrong once in two million runs.
    const tolerance = 5 * Math.sqrt(((percent / 100) * (1 - percent / 100)) / USERS.length);
    expect(Math.abs(share - percent / 100)).toBeLessThan(tolerance);
  });

  it('keeps every user when it grows', () => {
    for (const user of USERS) {
      const first = Array.from({ length: 101 }, (_, percent) => percent).find((percent) => at(percent, user));
      expect(first).toBeGreaterThan(0);
      for (let percent = first ?? 0; percent <= 100; percent++) expect(at(percent, user)).toBe(true);
    }
  });

  it('is the same for a user on every node and in every version', () => {
    const known = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
    const first = known.map((user) =>
      Array.from({ length: 101 }, (_, percent) => percent).find((percent) => at(percent, user)),
    );
    expect(first).toEqual([48, 17]);
  });

  it('differs between flags', () => {
    const value = { enabled: true, percent: 50 };
    const same = USERS.filter(
      (user) => isOnFor('ticket_required', value, user) === isOnFor('legacy_cookie', value, user),
    );
    expect(same.length).toBeGreaterThan(400);
    expect(same.length).toBeLessThan(600);
  });

  it('is empty at 0 percent, complete at 100, and empty while the flag is off', () => {
    expect(USERS.some((user) => at(0, user))).toBe(false);
    expect(USERS.every((user) => at(100, user))).toBe(true);
    expect(isOnFor('ticket_required', { enabled: false, percent: 100 }, USERS[0])).toBe(false);
  });

  it('includes requests without a user only at 100 percent', () => {
    expect([at(99), at(100)]).toEqual([false, true]);
  });
});
