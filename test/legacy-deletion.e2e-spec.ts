import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROJECT_ROOT } from '../scripts/project.js';
import { signalProcess } from '../scripts/process-ledger.js';
import { MutantCopy } from '../scripts/testing/mutant-copy.js';
import { currentRun, RUN_VARIABLE, runLedger } from '../scripts/testing/test-run.js';

const run = promisify(execFile);
const GUIDE = 'docs/migration-guide.md';
const COMPILER = 'node_modules/typescript/bin/tsc';
const JEST = 'node_modules/jest/bin/jest.js';
/** The suites about tickets and about refused upgrades. */
const SUITES = ['test/ticket.e2e-spec.ts', 'test/upgrade.e2e-spec.ts'];
/** The tests of these suites that start no more nodes: a minute on two idle cores, including the build. */
const TESTS = '^a ticket |^the upgrade (answers 40|tells a stranger|lets exactly one|is followed by ready)';
/** Time limit of one step on a busy machine. */
const LIMIT_MS = 240_000;

/** One row of the guide's table of what is deleted. */
interface Deletion {
  file: string;
  /** Absent for a whole folder. */
  line: string | undefined;
}

interface JestAnswer {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { message: string }[];
}

describe('the old ways in', () => {
  let copy: MutantCopy;

  beforeAll(() => {
    copy = new MutantCopy(join(currentRun().data, 'without-legacy'));
  });

  afterAll(() => copy.remove());

  it(
    'are exactly the lines that the guide lists: without them the server builds, and tickets work as before',
    async () => {
      const deletions = readGuide();
      expect(deletions.filter(({ line }) => line === undefined)).toEqual([
        { file: 'src/auth/legacy', line: undefined },
      ]);
      for (const deletion of deletions) remove(copy.folder, deletion);
      await build(copy.folder);
      expect(existsSync(join(copy.folder, 'dist/src/auth/legacy'))).toBe(false);
      const answer = await runSuites(copy.folder);
      expect(answer.testResults.map(({ message }) => message).join('')).toBe('');
      expect(answer).toMatchObject({ numFailedTests: 0 });
      expect(answer.numPassedTests).toBeGreaterThan(60);
    },
    2 * LIMIT_MS,
  );
});

/** Rows like "| folder | `src/auth/legacy` | |" and "| line | `src/app.module.ts` | `LegacyModule,` |". */
function readGuide(): Deletion[] {
  const rows = readFileSync(join(PROJECT_ROOT, GUIDE), 'utf8').matchAll(
    /^\| (folder|line) +\| `([^`]+)` +\| (?:`([^`]+)`)? *\|$/gm,
  );
  return [...rows].map(([, kind, file = '', line]) => {
    if ((kind === 'line') !== (line !== undefined)) throw new Error(`the guide lists no ${kind}: ${file}`);
    return { file, line };
  });
}

/** Removes a folder, or the only line with this text. */
function remove(root: string, { file, line }: Deletion): void {
  const path = join(root, file);
  if (line === undefined) {
    rmSync(path, { recursive: true });
    return;
  }
  const lines = readFileSync(path, 'utf8').split('\n');
  const rest = lines.filter((candidate) => candidate.trim() !== line);
  expect([file, line, lines.length - rest.length]).toEqual([file, line, 1]);
  writeFileSync(path, rest.join('\n'));
}

/** Compiles as `npm run build` does, and replaces the earlier build, which has the old ways. */
async function build(root: string): Promise<void> {
  rmSync(join(root, 'dist/src/auth'), { recursive: true });
  const settings = {
    extends: './tsconfig.json',
    compilerOptions: { noEmit: false },
    include: ['src', 'protocol', 'migrations'],
    exclude: ['**/*.spec.ts'],
  };
  writeFileSync(join(root, 'tsconfig.without.json'), JSON.stringify(settings));
  const args = [COMPILER, '-p', 'tsconfig.without.json'];
  const failure = await run(process.execPath, args, { cwd: root, timeout: LIMIT_MS }).then(
    () => undefined,
    (error: Error & { stdout: string }) => error.stdout || error.message,
  );
  expect(failure).toBeUndefined();
}

/** Runs the suites of the copy against the server of the copy, on the engines of this run. */
async function runSuites(root: string): Promise<JestAnswer> {
  const folder = join(currentRun().folder, 'without-legacy');
  mkdirSync(folder);
  const facts = join(folder, 'run.json');
  writeFileSync(facts, JSON.stringify({ ...currentRun(), folder }), { mode: 0o600 });
  const answer = join(folder, 'answer.json');
  const { PATH = '', HOME = '/' } = process.env;
  const args = ['--experimental-vm-modules', JEST, '--json', `--outputFile=${answer}`, '--maxWorkers=2'];
  const child = spawn(
    process.execPath,
    [...args, '--testNamePattern', TESTS, '--runTestsByPath', ...SUITES.map((suite) => join(root, suite))],
    { cwd: root, env: { PATH, HOME, [RUN_VARIABLE]: facts }, stdio: 'ignore', detached: true },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('Jest did not start');
  runLedger(currentRun().folder).record('jest of the copy', pid, 'SIGTERM');
  const limit = setTimeout(() => signalProcess(-pid, 'SIGKILL'), LIMIT_MS);
  await once(child, 'exit');
  clearTimeout(limit);
  await runLedger(folder).endAll(2000);
  return JSON.parse(readFileSync(answer, 'utf8')) as JestAnswer;
}
