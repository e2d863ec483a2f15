import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RunLease, RunStopped } from './run-lease.js';
import { LEASE_MS } from './run.store.js';

const RUN = {
  id: 'run',
  conversationId: 'conversation',
  userId: 'user',
  questionId: 'question',
  attempt: 1,
  messageId: undefined,
  fromNode: undefined,
  isCancelRequested: false,
};

describe('Lease', () => {
  let lease: RunLease;
  beforeEach(() => {
    jest.useFakeTimers();
    lease = new RunLease(RUN, performance.now());
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is held until its time is over, counted from before the claim', () => {
    jest.advanceTimersByTime(LEASE_MS - 1);
    expect(lease.isHeld).toBe(true);
    jest.advanceTimersByTime(1);
    expect(lease.isHeld).toBe(false);
    expect(lease.signal.reason).toEqual(new RunStopped('lost'));
  });

  it('is held for longer with each renewal, counted from when it was asked for', () => {
    const askedMs = performance.now() + 1500;
    jest.advanceTimersByTime(1900);
    lease.renewed(askedMs);
    jest.advanceTimersByTime(1500);
    expect(lease.isHeld).toBe(true);
    jest.advanceTimersByTime(100);
    expect(lease.isHeld).toBe(false);
  });

  it('of a cancelled run aborts the writing, and still lets its end be stored', () => {
    lease.stop('cancelled');
    expect(lease.signal.aborted).toBe(true);
    expect([lease.isHeld, lease.stopReason]).toEqual([true, 'cancelled']);
  });

  it('that is lost is lost, cancelled or not', () => {
    lease.stop('cancelled');
    lease.stop('lost');
    expect([lease.isHeld, lease.stopReason]).toEqual([false, 'lost']);
    lease.stop('cancelled');
    expect(lease.stopReason).toBe('lost');
  });

  it('that was handed over lets nothing more out', () => {
    lease.stop('handed_over');
    expect(lease.isHeld).toBe(false);
  });
});
