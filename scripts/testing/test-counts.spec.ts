import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inWords, jestCounts, sum } from './test-counts.js';

const ANSWER = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 1,
  numRuntimeErrorTestSuites: 0,
  success: true,
};

describe('jestCounts', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'counts-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const counts = (answer: object, exitCode: number | null): string => {
    const file = join(folder, 'answer.json');
    writeFileSync(file, JSON.stringify(answer));
    return inWords(jestCounts(file, exitCode));
  };

  it('counts todo and skipped tests as skipped', () => {
    expect(counts(ANSWER, 0)).toBe('3 passed, 0 failed, 2 skipped');
  });

  it('counts a file that cannot be loaded as one failure', () => {
    expect(counts({ ...ANSWER, numRuntimeErrorTestSuites: 1, success: false }, 1)).toBe(
      '3 passed, 1 failed, 2 skipped',
    );
  });

  it('never reports success for a Jest that ended badly', () => {
    expect(counts(ANSWER, 1)).toBe('3 passed, 1 failed, 2 skipped');
    expect(inWords(jestCounts(join(folder, 'absent.json'), null))).toBe('0 passed, 1 failed, 0 skipped');
  });

  it('adds up the counts of suites', () => {
    const one = { passed: 1, failed: 2, skipped: 3 };
    expect(inWords(sum([one, one]))).toBe('2 passed, 4 failed, 6 skipped');
  });
});
