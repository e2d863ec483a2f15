import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from './conversation-cursor.js';

describe('conversation cursor', () => {
  it('decodes to what was encoded', () => {
    const cursor = { createdAt: '2026-11-03T15:04:05.678Z', id: '0190b3a4-7c1e-4f7a-9d55-0123456789ab' };
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor);
  });

  it.each([
    '',
    'x',
    '%00',
    encodeCursor({ createdAt: '2026-13-45T15:04:05.678Z', id: '0190b3a4-7c1e-4f7a-9d55-0123456789ab' }),
    encodeCursor({ createdAt: '2026-11-03T15:04:05.678Z', id: "' OR 1=1" }),
  ])('is refused when it is malformed: %j', (text) => {
    expect(decodeCursor(text)).toBeUndefined();
  });
});
