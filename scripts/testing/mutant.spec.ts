import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { type Mutant, plant, readMutants } from './mutant.js';
import { PROJECT_ROOT } from '../project.js';

const mutant = (change: Partial<Mutant>): Mutant => ({
  name: 'forgets to look',
  file: 'src/a.ts',
  find: 'a === b',
  replace: 'a !== b',
  also: [],
  specs: ['test/a.e2e-spec.ts'],
  ...change,
});

describe('a planted fault', () => {
  it('replaces the piece literally, also when the new text contains "$"', () => {
    expect(plant(mutant({ replace: '$& $1' }), 'if (a === b) go();')).toBe('if ($& $1) go();');
  });

  it('can change several pieces', () => {
    const also = [{ find: 'go()', replace: 'stay()' }];
    expect(plant(mutant({ also }), 'if (a === b) go();')).toBe('if (a !== b) stay();');
  });

  it.each([
    ['nowhere', 'if (a == b) go();', 0],
    ['in two places', 'if (a === b || a === b) go();', 2],
  ])('is refused by name when its piece is found %s', (_where, source, count) => {
    expect(() => plant(mutant({}), source)).toThrow(
      `"forgets to look": expected once in src/a.ts, found ${count} times: a === b`,
    );
  });
});

describe('the stored faults', () => {
  const mutants = readMutants(join(PROJECT_ROOT, 'test', 'mutants'));

  it('are at least 45, each with its own name', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    expect(mutants.length).toBeGreaterThanOrEqual(45);
  });

  it('match the current sources', () => {
    for (const one of mutants) plant(one, readFileSync(join(PROJECT_ROOT, one.file), 'utf8'));
  });
});
