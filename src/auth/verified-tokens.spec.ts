import { describe, expect, it } from '@jest/globals';
import type { AccessTokenClaims } from './access-token.js';
import { VerifiedTokens } from './verified-tokens.js';

const claims: AccessTokenClaims = {
  sub: 'u',
  id: 'u',
  email: 'e',
  role: 'user',
  session_id: 's',
  iat: 1,
  exp: 2 ** 40,
};

describe('VerifiedTokens', () => {
  it('returns the claims of a known token, and nothing for another token', () => {
    const tokens = new VerifiedTokens();
    expect(tokens.get('a')).toBeUndefined();
    tokens.add('a', claims);
    expect(tokens.get('a')).toBe(claims);
    expect(tokens.get('A')).toBeUndefined();
  });

  it('forgets an expired token after one minute of clock tolerance', () => {
    const tokens = new VerifiedTokens();
    const seconds = Date.now() / 1000;
    tokens.add('late', { ...claims, exp: seconds - 55 });
    tokens.add('over', { ...claims, exp: seconds - 61 });
    expect(tokens.get('late')).toBeDefined();
    expect(tokens.get('over')).toBeUndefined();
  });

  it('forgets expired tokens that are not used again', () => {
    const tokens = new VerifiedTokens();
    const over = { ...claims, exp: Date.now() / 1000 - 61 };
    for (let count = 0; count < 50; count++) {
      tokens.add(`over${count}`, over);
      tokens.add(`good${count}`, claims);
    }
    for (let count = 50; count < 100; count++) tokens.add(`good${count}`, claims);
    expect(tokens.size).toBe(100);
    for (let count = 0; count < 100; count++) expect(tokens.get(`good${count}`)).toBe(claims);
  });

  it('holds 10,000 tokens and drops the oldest when another is added', () => {
    const tokens = new VerifiedTokens();
    for (let count = 0; count <= 10_000; count++) tokens.add(`t${count}`, claims);
    expect(tokens.get('t0')).toBeUndefined();
    expect(tokens.get('t1')).toBe(claims);
    expect(tokens.get('t10000')).toBe(claims);
  });
});
