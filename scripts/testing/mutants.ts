import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, LaunchError, say } from '../launch-error.js';
import { MutantCopy } from './mutant-copy.js';
import { type Mutant, plant, readMutants } from './mutant.js';
import { signalProcess } from '../process-ledger.js';
import { PROJECT_ROOT } from '../project.js';
import { StateFolder } from '../state-folder.js';
import { clearEarlierRuns, RUN_VARIABLE, runLedger, TestRun } from './test-run.js';

/** Most of this time is for starting engines and nodes. */
const LIMIT_MS = 120_000;
/** Limit for all files together, without a fault. */
const BASELINE_LIMIT_MS = 1_200_000;
/** Messages of the suites for a server that does not start: such a fault proves nothing about the tests. */
const NO_START = /ended while starting|did not say server\.listening/;

/** `broken` for a fault with which no test could run: the server does not start, or the tests did not end. */
type Outcome = 'caught' | 'SURVIVED' | 'broken';

interface TestAnswer {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { message: string }[];
}

/** Plants one fault after the other in a copy of the tree, and checks that the tests find each. */
class MutantRunner {
  private readonly copy: MutantCopy;
  private readonly run: TestRun;
  private current: ChildProcess | undefined;
  private interrupted = false;
  private count = 0;

  constructor(
    state: StateFolder,
    private readonly mutants: Mutant[],
  ) {
    // Its own folder, so that two may run at the same time.
    this.copy = new MutantCopy(state.in('mutants', String(process.pid)));
    this.run = new TestRun(state, 'single');
  }

  /** Returns the exit code. */
  async work(): Promise<number> {
    const outcomes: Outcome[] = [];
    try {
      await this.run.start();
      if (!(await this.isGreenWithout())) throw new LaunchError('Without any fault the tests must pass.');
      for (const mutant of this.mutants) outcomes.push(await this.judge(mutant));
    } finally {
      await this.run.end();
      this.copy.remove();
    }
    return report(outcomes);
  }

  interrupt(): void {
    this.interrupted = true;
    this.end();
  }

  private async isGreenWithout(): Promise<boolean> {
    const specs = [...new Set(this.mutants.flatMap((mutant) => mutant.specs))];
    const names = this.mutants.map(({ tests }) => tests);
    const tests = names.some((name) => name === undefined)
      ? undefined
      : names.map((name) => `(?:${name})`).join('|');
    say(`== ${specs.length} files without a fault ==`);
    const answer = await this.jest(specs, tests, BASELINE_LIMIT_MS);
    const isGreen = answer !== undefined && answer.numFailedTests === 0 && answer.numPassedTests > 0;
    if (!isGreen) for (const { message } of answer?.testResults ?? []) say(message);
    return isGreen;
  }

  private async judge(mutant: Mutant): Promise<Outcome> {
    const started = Date.now();
    const restore = this.copy.plant(mutant);
    let answer: TestAnswer | undefined;
    try {
      answer = await this.jest(mutant.specs, mutant.tests, LIMIT_MS);
    } finally {
      restore();
    }
    if (this.interrupted) throw new LaunchError('Interrupted: the rest was not run.');
    const outcome = outcomeOf(answer);
    const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(5);
    say(`${outcome.padEnd(8)} ${seconds} s  ${mutant.file}: ${mutant.name}`);
    if (outcome === 'broken') for (const { message } of answer?.testResults ?? []) say(message);
    return outcome;
  }

  /** Result of the tests; `undefined` when they did not end in time or Jest broke. */
  private async jest(specs: string[], tests: string | undefined, limitMs: number) {
    // A new folder each time, and so a separate list of processes to end.
    const folder = join(this.run.folder, String(++this.count));
    mkdirSync(folder);
    const facts = join(folder, 'run.json');
    const shared = JSON.parse(readFileSync(this.run.factsFile, 'utf8')) as object;
    writeFileSync(facts, JSON.stringify({ ...shared, folder }), { mode: 0o600 });
    const answer = join(folder, 'answer.json');
    const args = [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      join(PROJECT_ROOT, 'node_modules', 'jest', 'bin', 'jest.js'),
      '--json',
      `--outputFile=${answer}`,
      '--maxWorkers=2',
      ...(tests === undefined ? [] : ['--testNamePattern', tests]),
      '--runTestsByPath',
      ...specs.map((spec) => join(this.copy.folder, spec)),
    ];
    await this.node(args, { [RUN_VARIABLE]: facts }, limitMs);
    await runLedger(folder).endAll(2000);
    return existsSync(answer) ? (JSON.parse(readFileSync(answer, 'utf8')) as TestAnswer) : undefined;
  }

  /** Its own process group, so that ending it ends its workers too. */
  private async node(args: string[], env: Record<string, string>, limitMs: number): Promise<void> {
    if (this.interrupted) return;
    const options = { cwd: this.copy.folder, env: { ...process.env, ...env }, detached: true } as const;
    const child = spawn(process.execPath, args, { ...options, stdio: 'ignore' });
    this.current = child;
    if (child.pid !== undefined) this.run.ledger.record('jest', child.pid, 'SIGTERM');
    const limit = setTimeout(() => this.end(), limitMs);
    await once(child, 'exit');
    clearTimeout(limit);
    this.current = undefined;
  }

  private end(): void {
    if (this.current?.pid !== undefined) signalProcess(-this.current.pid, 'SIGKILL');
  }
}

function outcomeOf(answer: TestAnswer | undefined): Outcome {
  if (answer === undefined) return 'broken';
  if (answer.testResults.some(({ message }) => NO_START.test(message))) return 'broken';
  if (answer.numFailedTests > 0) return 'caught';
  // No test fails when a file cannot be loaded or when no test matches the name.
  return answer.numPassedTests > 0 ? 'SURVIVED' : 'broken';
}

function report(outcomes: Outcome[]): number {
  const count = (wanted: Outcome) => outcomes.filter((outcome) => outcome === wanted).length;
  say(
    `${outcomes.length} faults: ${count('caught')} caught, ${count('SURVIVED')} survived, ${count('broken')} broken`,
  );
  return count('caught') === outcomes.length ? 0 : 1;
}

/** `npm run test:mutants -- ticket` plants only the faults whose file or name matches. */
function chosen(pattern: string | undefined): Mutant[] {
  const all = readMutants(join(PROJECT_ROOT, 'test', 'mutants'));
  const wanted = new RegExp(pattern ?? '', 'i');
  const mutants = all.filter(({ file, name }) => wanted.test(`${file}: ${name}`));
  if (mutants.length === 0) throw new LaunchError(`No fault has ${wanted} in its file or name.`);
  for (const mutant of mutants) plant(mutant, readFileSync(join(PROJECT_ROOT, mutant.file), 'utf8'));
  return mutants;
}

try {
  const state = new StateFolder(PROJECT_ROOT);
  const mutants = chosen(process.argv[2]);
  await clearEarlierRuns(state);
  const runner = new MutantRunner(state, mutants);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => runner.interrupt());
  process.exitCode = await runner.work();
} catch (error) {
  say(explain(error));
  process.exitCode = 1;
}
