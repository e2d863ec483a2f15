import { describe, expect, it } from '@jest/globals';
import { chained, GENESIS, hashOf, storableFields } from './audit-chain.js';

const row = {
  at: new Date(0),
  event: 'x',
  user_id: null,
  node: 'n1',
  fields: { b: 1, a: { d: [1, 'é'], c: null } },
};

describe('the audit chain', () => {
  it('hashes the contents of a row independently of the order of its fields', () => {
    const [link] = chained(GENESIS, [row]);
    const turned = { ...row, fields: { a: { c: null, d: [1, 'é'] }, b: 1 }, id: 1, prev_hash: GENESIS.hash };
    expect(link?.hash).toBe(hashOf(turned));
    expect(link?.hash).not.toBe(hashOf({ ...turned, fields: { ...turned.fields, b: 2 } }));
  });

  it('chains each row to the previous one', () => {
    const links = chained({ id: 7, hash: 'f'.repeat(64) }, [row, row]);
    expect(links.map(({ id }) => id)).toEqual([8, 9]);
    expect(links[0]?.prev_hash).toBe('f'.repeat(64));
    expect(links[1]?.prev_hash).toBe(links[0]?.hash);
    expect(links[1]?.hash).not.toBe(links[0]?.hash);
  });

  it.each([
    ['NUL', 'a\0b', 'a\uFFFDb'],
    ['a lone surrogate', 'a\uD800b', 'a\uFFFDb'],
    ['a surrogate pair', '😀', '😀'],
  ])('stores %s in a form that Postgres accepts', (_what, given, stored) =>
    expect(storableFields({ text: given, list: [given] })).toEqual({ text: stored, list: [stored] }),
  );

  it('leaves out what JSON leaves out', () =>
    expect(storableFields({ code: undefined, kept: 1 })).toEqual({ kept: 1 }));
});
