import { describe, expect, it } from '@jest/globals';
import { rateLimitHeaders } from './rate-limiter.service.js';
import { redisKeys } from './redis-keys.js';

describe('the Redis keys', () => {
  it('are spelled as the contract says', () => {
    expect(redisKeys.session('u', 's')).toBe('chat_session:u:s');
    expect(redisKeys.ticket('d')).toBe('ws_ticket:d');
    expect(redisKeys.receipt('tkt_1')).toBe('ws_ticket_receipt:tkt_1');
  });

  it('never collide with those of the old system', () => {
    for (const make of Object.values(redisKeys)) {
      const key = (make as (...parts: string[]) => string)('user', 'x');
      expect(key).not.toMatch(/^(session|user_auth|chat_history):/);
    }
  });
});

describe('rateLimitHeaders', () => {
  it('are structured fields in seconds', () => {
    expect(rateLimitHeaders({ name: 'tickets', limit: 30, remaining: 29, resetMs: 59_001 })).toEqual({
      ratelimit: '"tickets";r=29;t=60',
      'ratelimit-policy': '"tickets";q=30;w=60',
    });
  });
});
