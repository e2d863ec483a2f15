import { describe, expect, it } from '@jest/globals';
import { unfitness } from './unfitness.js';

const info = (fields: Record<string, string>) => new Map(Object.entries(fields));

describe('a Redis server', () => {
  it.each(['6.2.0', '6.2.14', '7.0.15', '8.2.1', '10.0.0'])('of version %s will do', (redis_version) => {
    expect(unfitness(info({ redis_version, redis_mode: 'standalone' }), 'single')).toBeUndefined();
  });

  it.each(['2.8.24', '5.0.14', '6.0.16'])('of version %s will not do', (redis_version) => {
    expect(unfitness(info({ redis_version }), 'single')).toBe(
      `expected Redis 6.2 or later, or Valkey, got version ${redis_version}`,
    );
  });

  it('that does not tell its version or mode gets the benefit of the doubt', () => {
    expect(unfitness(info({}), 'cluster')).toBeUndefined();
  });

  it('of another kind than the URL promises will not do', () => {
    const cluster = info({ redis_version: '7.2.4', redis_mode: 'cluster' });
    const sentinel = info({ redis_version: '7.2.4', redis_mode: 'sentinel' });
    expect(unfitness(cluster, 'single')).toMatch(/redis\+cluster:/);
    expect(unfitness(cluster, 'cluster')).toBeUndefined();
    expect(unfitness(sentinel, 'single')).toMatch(/redis\+sentinel:/);
  });
});
