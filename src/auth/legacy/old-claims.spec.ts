import { describe, expect, it } from '@jest/globals';
import { readOldClaims } from './old-claims.js';

const expected = { issuer: 'us', audience: 'them' };
const bare = { sub: 'a', exp: 2, iat: 1 };
const full = { sub: 'a', email: 'a@example.test', iss: 'us', aud: 'them', exp: 2 };

describe('readOldClaims', () => {
  it('reads the two old formats, with and without "iat" where it is optional', () => {
    expect(readOldClaims(bare, expected)).toEqual({ sub: 'a', exp: 2 });
    expect(readOldClaims(full, expected)).toEqual({ sub: 'a', email: 'a@example.test', exp: 2 });
    expect(readOldClaims({ ...full, iat: 1 }, expected)).toEqual({
      sub: 'a',
      email: 'a@example.test',
      exp: 2,
    });
  });

  it.each<[string, unknown]>([
    ['text', 'a'],
    ['nothing', null],
    ['no subject', { exp: 2, iat: 1 }],
    ['an empty subject', { ...bare, sub: '' }],
    ['an end that is text', { ...bare, exp: '2' }],
    ['a beginning that is text', { ...bare, iat: '1' }],
    ['no beginning in the short format', { sub: 'a', exp: 2 }],
    ['one claim more', { ...bare, role: 'admin' }],
    ['an empty address', { ...full, email: '' }],
    ['another issuer', { ...full, iss: 'them' }],
    ['another audience', { ...full, aud: ['them'] }],
    ['a session, as tokens of today have', { ...full, session_id: 'b' }],
  ])('returns undefined for a payload with %s', (_what, payload) => {
    expect(readOldClaims(payload, expected)).toBeUndefined();
  });
});
