import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, say } from '../launch-error.js';
import { PROJECT_ROOT } from '../project.js';
import { signalProcess } from '../process-ledger.js';
import { StateFolder } from '../state-folder.js';
import { FAILED_ONE, inWords, jestCounts, PASSED_ONE, sum } from './test-counts.js';
import type { Counts } from './test-counts.js';
import { unreachedCodes } from './test-codes.js';
import { searchLeaks } from './test-leaks.js';
import { clearEarlierRuns, RUN_VARIABLE, TestRun } from './test-run.js';
import type { RedisForm } from './test-run.js';
import { bringNeeds, specFiles, SUITES } from './test-suites.js';
import type { Suite } from './test-suites.js';
import { judge, readSightings } from './test-witness.js';

const CLUSTER_OPTION = '--redis-cluster';
/** A cluster per file takes longer than one server: 2 s to form, and more processes. */
const CLUSTER_TIME_FACTOR = 2;

/**
 * Runs the check and every suite, or with `--only [suite] [pattern]` a part of them, on its own engines.
 * With `--redis-cluster` first, each file uses a Redis Cluster of three masters.
 * The last line is `N passed, N failed, N skipped`.
 */
class TestRunner {
  private readonly lines: { name: string; counts: Counts; seconds: number }[] = [];
  private readonly notRun: string[] = [];
  private readonly run: TestRun;
  private readonly running = new Set<ChildProcess>();
  private enginesStarted = false;
  private interrupted = false;

  constructor(
    private readonly state: StateFolder,
    private readonly suites: Suite[],
    private readonly patterns: string[],
    private readonly isWhole: boolean,
    private readonly redisForm: RedisForm,
  ) {
    this.run = new TestRun(state, redisForm);
  }

  /** Returns the exit code. */
  async work(): Promise<number> {
    try {
      if (this.isWhole) await this.measure('check', () => this.check());
      for (const suite of this.suites) await this.suite(suite);
    } finally {
      await this.finish();
    }
    return this.report();
  }

  interrupt(): void {
    this.interrupted = true;
    for (const child of this.running) endGroup(child, 'SIGTERM');
  }

  /** What `npm run check` does, on two cores: linting takes as long as the rest. */
  private async check(): Promise<Counts> {
    const inTurn = async (names: readonly string[]) => {
      for (const name of names) {
        if ((await this.command('npm', ['run', '--silent', name], {}, 5)) !== 0) return false;
      }
      return true;
    };
    const lanes = [inTurn(['check:lint']), inTurn(['check:types', 'check:rules', 'check:format'])];
    return (await Promise.all(lanes)).every(Boolean) ? PASSED_ONE : FAILED_ONE;
  }

  private async suite(suite: Suite): Promise<void> {
    const missing = bringNeeds(suite);
    if (missing.length > 0) {
      this.skip(suite, missing);
    } else {
      await this.measure(suite.name, async () => {
        if (suite.needsEngines) await this.startEngines();
        return this.jest(suite);
      });
    }
  }

  private skip(suite: Suite, missing: string[]): void {
    this.notRun.push(
      `not run: ${suite.name} (missing: ${missing.join(', ')}; as root: apt-get install ${missing.join(' ')})`,
    );
    const files = Math.max(1, specFiles(suite).length);
    const counted = process.env.CI === 'true' ? { failed: files, skipped: 0 } : { failed: 0, skipped: files };
    this.lines.push({ name: suite.name, counts: { passed: 0, ...counted }, seconds: 0 });
  }

  private async startEngines(): Promise<void> {
    if (this.enginesStarted) return;
    await this.run.start();
    this.enginesStarted = true;
  }

  private async jest(suite: Suite): Promise<Counts> {
    const answer = join(this.run.folder, `${suite.name}.json`);
    const args = [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      join(PROJECT_ROOT, 'node_modules', 'jest', 'bin', 'jest.js'),
      '--selectProjects',
      suite.name,
      '--passWithNoTests',
      '--json',
      `--outputFile=${answer}`,
      ...(suite.needsEngines ? [`--maxWorkers=${suite.workers ?? 2}`] : []),
      ...this.patterns,
    ];
    const env = { [RUN_VARIABLE]: this.run.factsFile };
    const limitMinutes = suite.limitMinutes * (this.redisForm === 'cluster' ? CLUSTER_TIME_FACTOR : 1);
    const code = await this.command(process.execPath, args, env, limitMinutes);
    return jestCounts(answer, code);
  }

  /** A program in its own process group, so that ending it ends its workers too. */
  private async command(command: string, args: string[], env: Record<string, string>, limitMinutes: number) {
    if (this.interrupted) return null;
    // Jest writes its JSON to standard output as well as to the file; its text for people is on standard error.
    const options = { cwd: PROJECT_ROOT, env: { ...process.env, ...env }, detached: true };
    const child = spawn(command, args, {
      ...options,
      stdio: ['ignore', args.includes('--json') ? 'ignore' : 'inherit', 'inherit'],
    });
    this.running.add(child);
    if (child.pid !== undefined) this.run.ledger.record(command, child.pid, 'SIGTERM');
    const limit = setTimeout(() => {
      say(`${args.join(' ')} did not end within ${limitMinutes} minutes`);
      endGroup(child, 'SIGKILL');
    }, limitMinutes * 60_000);
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(limit);
    this.running.delete(child);
    return code;
  }

  private async finish(): Promise<void> {
    const left = await this.run.end();
    if (!this.enginesStarted) return;
    if (left.length > 0) say(`Left behind by the tests and ended now: ${left.join(', ')}`);
    this.lines.push({ name: 'processes', counts: left.length === 0 ? PASSED_ONE : FAILED_ONE, seconds: 0 });
    await this.measure('log leaks', () => {
      const { secrets, logs, leaks } = searchLeaks(this.run.folder);
      say(`Looked for ${secrets} credentials in ${logs} logs below ${this.run.folder}`);
      for (const leak of leaks) say(`A log holds a credential: ${leak}`);
      return leaks.length === 0 ? PASSED_ONE : FAILED_ONE;
    });
    if (this.isWhole) await this.proveWhole();
  }

  /** Checks that only a full run can make. */
  private async proveWhole(): Promise<void> {
    await this.measure('witness', () => {
      const { table, faults } = judge(readSightings(this.run.folder));
      for (const line of table) say(line);
      for (const fault of faults) say(`Authentication is not decided in one place: ${fault}`);
      return faults.length === 0 ? PASSED_ONE : FAILED_ONE;
    });
    await this.measure('codes', () => {
      const codes = unreachedCodes(this.run.folder);
      if (codes.length > 0) say(`No test was answered with: ${codes.join(', ')}`);
      return codes.length === 0 ? PASSED_ONE : FAILED_ONE;
    });
  }

  private async measure(name: string, work: () => Promise<Counts> | Counts): Promise<void> {
    if (this.interrupted) return;
    say(`\n== ${name} ==`);
    const started = Date.now();
    let counts: Counts;
    try {
      counts = await work();
    } catch (error) {
      say(explain(error));
      counts = FAILED_ONE;
    }
    this.lines.push({ name, counts, seconds: (Date.now() - started) / 1000 });
  }

  private report(): number {
    const total = sum(this.lines.map((line) => line.counts));
    if (this.interrupted) total.failed += 1;
    say('');
    for (const { name, counts, seconds } of this.lines) {
      say(`${name.padEnd(10)} ${inWords(counts)}   ${seconds.toFixed(1)} s`);
    }
    for (const line of this.notRun) say(line);
    if (this.interrupted) say('Interrupted: the rest was not run.');
    writeFileSync(this.state.in('test-summary.txt'), `${inWords(total)}\n`);
    say(inWords(total));
    return total.failed === 0 ? 0 : 1;
  }
}

/** Ends a program with all that it has started. */
function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid !== undefined) signalProcess(-pid, signal);
}

/** `--only e2e tickets` runs the matching files of one suite; `--only tickets` searches all suites. */
function chosen(args: string[]): { suites: Suite[]; patterns: string[]; isWhole: boolean } {
  const all = SUITES.filter(({ isOnDemand }) => isOnDemand !== true);
  if (args[0] !== '--only') return { suites: all, patterns: args, isWhole: args.length === 0 };
  const [, first, ...rest] = args;
  const suite = SUITES.find((candidate) => candidate.name === first);
  if (suite !== undefined) return { suites: [suite], patterns: rest, isWhole: false };
  return { suites: all, patterns: args.slice(1), isWhole: false };
}

const state = new StateFolder(PROJECT_ROOT);
const given = process.argv.slice(2);
const redisForm = given[0] === CLUSTER_OPTION ? 'cluster' : 'single';
const { suites, patterns, isWhole } = chosen(given.filter((argument) => argument !== CLUSTER_OPTION));
await clearEarlierRuns(state);
const runner = new TestRunner(state, suites, patterns, isWhole, redisForm);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => runner.interrupt());
process.exitCode = await runner.work();
