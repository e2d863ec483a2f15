import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CLOSE_CODES,
  MAX_CLOSE_REASON_BYTES,
  closeReason,
  reconnectPolicy,
  type CloseName,
} from './close-codes.js';

describe('reconnectPolicy', () => {
  test.each([
    [4199, 'now'],
    [4499, 'stop'],
    [4599, 'backoff'],
    [1006, 'backoff'],
    [1001, 'backoff'],
    [CLOSE_CODES.handoff_done, 'stop'],
  ] as const)('for %i is %s', (code, policy) => {
    expect(reconnectPolicy(code)).toBe(policy);
  });
});

describe('closeReason', () => {
  const names = fc.constantFrom(...(Object.keys(CLOSE_CODES) as CloseName[]));

  test('begins with the name and fits into a close frame as ASCII, whatever the details are', () => {
    fc.assert(
      fc.property(names, fc.dictionary(fc.stringMatching(/^[a-z_]{1,20}$/), fc.string()), (name, detail) => {
        const reason = closeReason(name, detail);
        expect(reason.split(';')[0]).toBe(name);
        expect(reason).toMatch(/^[\x21-\x7e]*$/);
        expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(MAX_CLOSE_REASON_BYTES);
      }),
    );
  });

  test('includes how long to wait', () => {
    expect(closeReason('service_restart', { retry_after_ms: 1500 })).toBe(
      'service_restart;retry_after_ms=1500',
    );
  });
});
