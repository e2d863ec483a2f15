import { createPrivateKey, createSecretKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  newRefreshToken,
  readRefreshToken,
  refreshDigest,
  successorKey,
  successorOf,
} from './refresh-token.js';

const parts = { userId: randomUUID(), sessionId: randomUUID() };

describe('a refresh token', () => {
  it('names its session', () => {
    expect(readRefreshToken(newRefreshToken(parts))).toEqual(parts);
  });

  it('is different each time, and so is its stored digest', () => {
    const [one, two] = [newRefreshToken(parts), newRefreshToken(parts)];
    expect(one).not.toBe(two);
    expect(refreshDigest(one)).not.toBe(refreshDigest(two));
    expect(refreshDigest(one)).not.toContain(one);
  });

  it('has a different digest if any one character changes', () => {
    const token = newRefreshToken(parts);
    const digests = Array.from({ length: token.length - 3 }, (_, index) => {
      const position = index + 3;
      const other = token[position] === 'A' ? 'B' : 'A';
      return refreshDigest(token.slice(0, position) + other + token.slice(position + 1));
    });
    expect(new Set([...digests, refreshDigest(token)]).size).toBe(token.length - 2);
  });

  it.each(['', 'rt_', 'null', 'a'.repeat(89), `rt_${'a'.repeat(87)}`, `rt_${'='.repeat(86)}`])(
    'never has the form %j',
    (token) => expect(readRefreshToken(token)).toBeUndefined(),
  );
});

describe('the successor of a refresh token', () => {
  const token = newRefreshToken(parts);
  const key = successorKey(createSecretKey(randomBytes(32)));

  it('is the same each time and names the same session', () => {
    const successor = successorOf(token, parts, key);
    expect(successorOf(token, parts, key)).toBe(successor);
    expect(readRefreshToken(successor)).toEqual(parts);
    expect(successor).not.toBe(token);
  });

  it('is different for another token and for another key', () => {
    const other = successorKey(createSecretKey(randomBytes(32)));
    const successors = [
      successorOf(token, parts, key),
      successorOf(token, parts, other),
      successorOf(newRefreshToken(parts), parts, key),
    ];
    expect(new Set(successors).size).toBe(3);
  });

  it('is also the same each time with a private key', () => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
    const [one, two] = [createPrivateKey(pem), createPrivateKey(pem)].map(successorKey);
    expect(successorOf(token, parts, one!)).toBe(successorOf(token, parts, two!));
  });
});
