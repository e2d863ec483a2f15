import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SpentTickets } from './spent-tickets.js';

describe('SpentTickets', () => {
  beforeEach(() => void jest.useFakeTimers({ now: 0 }));
  afterEach(() => void jest.useRealTimers());

  it('remembers a ticket until it would have expired', () => {
    const spent = new SpentTickets();
    spent.add('a', 30_000);
    jest.setSystemTime(29_999);
    spent.add('b', 60_000);
    expect(spent.has('a')).toBe(true);
    expect(spent.has('c')).toBe(false);
  });

  it('forgets an expired ticket when another is added', () => {
    const spent = new SpentTickets();
    spent.add('a', 30_000);
    jest.setSystemTime(30_000);
    spent.add('b', 60_000);
    expect(spent.has('a')).toBe(false);
    expect(spent.has('b')).toBe(true);
  });

  it('never holds more than 120,000 tickets', () => {
    const spent = new SpentTickets();
    for (let count = 0; count <= 120_000; count++) spent.add(`t${count}`, 30_000);
    expect(spent.has('t0')).toBe(false);
    expect(spent.has('t120000')).toBe(true);
  });
});
