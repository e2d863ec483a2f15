import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { newRefreshToken, readRefreshToken, refreshDigest } from './refresh-token.js';

const key = createSecretKey(randomBytes(32));
const parts = { userId: randomUUID(), sessionId: randomUUID() };

describe('a refresh token', () => {
  it('names its session to whoever has the key', () => {
    const token = newRefreshToken(key, parts);
    expect(readRefreshToken(key, token)).toEqual(parts);
    expect(readRefreshToken(createSecretKey(randomBytes(32)), token)).toBeUndefined();
  });

  it('is never twice the same, and neither is what is stored of it', () => {
    const [one, two] = [newRefreshToken(key, parts), newRefreshToken(key, parts)];
    expect(one).not.toBe(two);
    expect(refreshDigest(one)).not.toBe(refreshDigest(two));
    expect(refreshDigest(one)).not.toContain(one);
  });

  it('is not ours any more when one character of it is another', () => {
    const token = newRefreshToken(key, parts);
    for (let position = 3; position < token.length - 1; position++) {
      const other = token[position] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, position) + other + token.slice(position + 1);
      expect(readRefreshToken(key, changed)).toBeUndefined();
    }
  });

  it.each(['', 'rt_', 'null', 'a'.repeat(110), `rt_${'a'.repeat(107)}`, `rt_${'='.repeat(107)}`])(
    'is none when it looks like %j',
    (token) => expect(readRefreshToken(key, token)).toBeUndefined(),
  );
});
