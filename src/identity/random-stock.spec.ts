import { describe, expect, it } from '@jest/globals';
import { RandomStock } from './random-stock.js';

describe('RandomStock', () => {
  it('gives each secret once, all of the same length, beyond one filling', () => {
    const stock = new RandomStock(32);
    const secrets = Array.from({ length: 1000 }, () => stock.take());
    expect(new Set(secrets).size).toBe(1000);
    for (const secret of secrets) expect(secret).toMatch(/^[\w-]{43}$/);
    expect(secrets).not.toContain(Buffer.alloc(32).toString('base64url'));
  });
});
