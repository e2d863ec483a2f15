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
  ageMs: 0,
};

describe('RunLease', () => {
  let lease: RunLease;
  beforeEach(() => {
    jest.useFakeTimers();
    lease = new RunLease(RUN, performance.now());
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('expires after its term, counted from before the claim', () => {
    jest.advanceTimersByTime(LEASE_MS - 1);
    expect(lease.isHeld).toBe(true);
    jest.advanceTimersByTime(1);
    expect(lease.isHeld).toBe(false);
    expect(lease.signal.reason).toEqual(new RunStopped('lost'));
  });

  it('is extended by a renewal, counted from when the renewal was requested', () => {
    const askedMs = performance.now() + 1500;
    jest.advanceTimersByTime(1900);
    lease.renewed(askedMs);
    jest.advanceTimersByTime(1500);
    expect(lease.isHeld).toBe(true);
    jest.advanceTimersByTime(100);
    expect(lease.isHeld).toBe(false);
  });

  it('aborts the writing of a cancelled run but stays held, so that its end can be stored', () => {
    lease.stop('cancelled');
    expect(lease.signal.aborted).toBe(true);
    expect([lease.isHeld, lease.stopReason]).toEqual([true, 'cancelled']);
  });

  it('stays lost once it is lost, cancelled or not', () => {
    lease.stop('cancelled');
    lease.stop('lost');
    expect([lease.isHeld, lease.stopReason]).toEqual([false, 'lost']);
    lease.stop('cancelled');
    expect(lease.stopReason).toBe('lost');
  });

  it('is no longer held after it was handed over', () => {
    lease.stop('handed_over');
    expect(lease.isHeld).toBe(false);
  });
});
