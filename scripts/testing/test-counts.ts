import { existsSync, readFileSync } from 'node:fs';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export const PASSED_ONE: Counts = { passed: 1, failed: 0, skipped: 0 };
export const FAILED_ONE: Counts = { passed: 0, failed: 1, skipped: 0 };

/** The counted part of Jest's `--json` output. */
interface JestAnswer {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  /** Files that failed before any of their tests ran. */
  numRuntimeErrorTestSuites: number;
  success: boolean;
}

/** Reads Jest's output; a missing file means that Jest itself broke. */
export function jestCounts(file: string, exitCode: number | null): Counts {
  if (!existsSync(file)) return FAILED_ONE;
  const answer = JSON.parse(readFileSync(file, 'utf8')) as JestAnswer;
  const counts = {
    passed: answer.numPassedTests,
    failed: answer.numFailedTests + answer.numRuntimeErrorTestSuites,
    skipped: answer.numPendingTests + answer.numTodoTests,
  };
  // A hook that fails after the tests, or a worker that dies, fails the run without failing a test.
  const unexplained = counts.failed === 0 && (!answer.success || exitCode !== 0);
  return unexplained ? { ...counts, failed: 1 } : counts;
}

export function sum(all: Counts[]): Counts {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of all) {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  return total;
}

export function inWords(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
