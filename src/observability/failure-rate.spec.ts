import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FailureRateService } from './failure-rate.service.js';
import { AppLogger } from './logger.js';

const MINUTE_MS = 60_000;

describe('FailureRateService', () => {
  let lines: Record<string, unknown>[];
  let rate: FailureRateService;

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
    rate = new FailureRateService(new AppLogger({ logLevel: 'info', nodeName: 'n1' }, stream));
    rate.onModuleInit();
  });

  afterEach(() => {
    rate.onModuleDestroy();
    jest.useRealTimers();
  });

  const times = (count: number, work: () => void) => Array.from({ length: count }, work);
  const accept = (count: number, path = 'upgrade') => times(count, () => rate.accepted(path));
  const fail = (count: number, path = 'upgrade') => times(count, () => rate.refused(path, 'ticket_expired'));
  const events = () => lines.map(({ event }) => event);

  it('logs one line as soon as more than one attempt in a hundred fails', () => {
    accept(198);
    fail(2);
    expect(lines).toEqual([]);
    fail(1);
    expect(lines).toEqual([
      expect.objectContaining({
        event: 'auth.failure_rate',
        level: 'error',
        severity: 'CRITICAL',
        path: 'upgrade',
        rate: 0.0149,
        failures: 3,
        attempts: 201,
        objective: 0.01,
      }),
    ]);
    fail(50);
    expect(lines).toHaveLength(1);
  });

  it('logs nothing for fewer than a hundred attempts', () => {
    fail(99);
    expect(lines).toEqual([]);
    fail(1);
    expect(events()).toEqual(['auth.failure_rate']);
  });

  it('ignores made-up credentials, which neither raise the rate nor hide it', () => {
    accept(150);
    const madeUp = ['ticket_unknown', 'ticket_malformed', 'ticket_missing', 'token_malformed'] as const;
    for (const code of [...madeUp, 'token_invalid', 'origin_not_allowed'] as const) {
      times(500, () => rate.refused('upgrade', code));
    }
    expect(lines).toEqual([]);
    fail(2);
    expect(lines).toEqual([expect.objectContaining({ failures: 2, attempts: 152 })]);
  });

  it('does not count what was refused on purpose', () => {
    accept(100);
    for (const code of ['session_revoked', 'user_disabled', 'ticket_revoked'] as const) {
      times(100, () => rate.refused('upgrade', code));
    }
    expect(lines).toEqual([]);
  });

  it('measures each path by itself, and allows people more failures than programs', () => {
    accept(1000, 'http');
    accept(95, 'password');
    times(10, () => rate.refused('password', 'credentials_invalid'));
    expect(lines).toEqual([]);
    times(5, () => rate.refused('password', 'credentials_invalid'));
    expect(lines).toEqual([expect.objectContaining({ path: 'password', objective: 0.1 })]);
  });

  it('repeats the line every five minutes while it lasts, and logs when it has ended', () => {
    const minute = () => {
      accept(100);
      fail(10);
      jest.advanceTimersByTime(MINUTE_MS);
    };
    times(11, minute);
    expect(events()).toEqual(['auth.failure_rate', 'auth.failure_rate', 'auth.failure_rate']);
    jest.advanceTimersByTime(5 * MINUTE_MS);
    expect(events()).toHaveLength(4);
    expect(lines[3]).toMatchObject({ event: 'auth.failure_rate_over', level: 'info', failures: 0, rate: 0 });
    jest.advanceTimersByTime(60 * MINUTE_MS);
    expect(lines).toHaveLength(4);
  });

  it('forgets attempts after five minutes', () => {
    fail(99);
    jest.advanceTimersByTime(5 * MINUTE_MS + 10_000);
    fail(99);
    expect(lines).toEqual([]);
  });
});
