import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { drainPlan, returnAfterMs, slotsOf } from './drain-plan.js';

const windowMs = fc.integer({ min: 0, max: 3600 }).map((seconds) => seconds * 1000);
const ttlMs = fc.integer({ min: 5, max: 120 }).map((seconds) => seconds * 1000);
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('drainPlan', () => {
  test('gives most of the default window to moving sockets, and reserves time to close the rest', () => {
    expect(drainPlan(20_000, 30_000)).toEqual({
      firstSlotMs: 1000,
      lastSlotMs: 13_875,
      deadlineMs: 18_500,
      handshakeMs: 1000,
    });
  });

  test('asks no socket to move when there is no window', () => {
    expect(drainPlan(0, 30_000)).toMatchObject({ firstSlotMs: 0, lastSlotMs: 0, deadlineMs: 0 });
  });

  test('puts every slot before the deadline and within the lifetime of a ticket', () => {
    fc.assert(
      fc.property(windowMs, ttlMs, fc.integer({ min: 1, max: 500 }), random, (window, ttl, count, point) => {
        const plan = drainPlan(window, ttl);
        const slots = slotsOf(plan, count, () => point);
        expect(slots).toHaveLength(count);
        expect(slots).toEqual(slots.toSorted((a, b) => a - b));
        expect(slots[0]).toBeGreaterThanOrEqual(plan.firstSlotMs);
        expect(slots.at(-1)).toBeLessThanOrEqual(plan.lastSlotMs);
        expect(plan.lastSlotMs).toBeLessThanOrEqual(plan.deadlineMs);
        expect(plan.lastSlotMs).toBeLessThan(ttl);
        expect(plan.deadlineMs).toBeLessThanOrEqual(window);
      }),
      { examples: [[85_000, 64_000, 43, 0.999_999_999_999_996_4]] },
    );
  });

  test('spreads the slots evenly', () => {
    const plan = { firstSlotMs: 1000, lastSlotMs: 11_000, deadlineMs: 12_000, handshakeMs: 1000 };
    expect(slotsOf(plan, 4, () => 0.5)).toEqual([2250, 4750, 7250, 9750]);
  });
});

test('returnAfterMs spreads the return of sockets over a time that grows with their number', () => {
  expect([0, 0.5].map((point) => returnAfterMs(10, () => point))).toEqual([500, 1250]);
  expect(returnAfterMs(1000, () => 0.5)).toBe(5500);
  expect(returnAfterMs(1_000_000, () => 0.999_999)).toBe(15_500);
});
