import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readCoverage, type FileCoverage, type Share } from './coverage-report.js';
import { say } from '../launch-error.js';
import { PROJECT_ROOT } from '../project.js';
import { StateFolder } from '../state-folder.js';
import { COVERAGE_VARIABLE } from './test-run.js';

/** The rooms that decide on access. */
const ROOMS = ['auth', 'ticket', 'session', 'websocket'];
/** Percent of the branches of each room that the suites must cover. */
const MIN_BRANCHES = 95;
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(PROJECT_ROOT, 'node_modules', 'jest', 'bin', 'jest.js'),
];

/**
 * Runs the unit specs and the e2e suite and prints the share of the lines and branches of each room that they cover.
 * Arguments choose e2e files, as for `test:only -- e2e`; `--report` only adds up the results of the last run. A node
 * that a test kills leaves no coverage.
 */
async function work(args: string[]): Promise<number> {
  const state = new StateFolder(PROJECT_ROOT);
  const raw = state.in('coverage', 'raw');
  const page = state.in('coverage', 'page');
  let failed = false;
  if (args[0] !== '--report') {
    rmSync(raw, { recursive: true, force: true });
    mkdirSync(raw, { recursive: true });
    const unit = [...JEST, '--config', join(PROJECT_ROOT, 'jest.coverage.config.js'), '--runInBand'];
    const e2e = [join(PROJECT_ROOT, 'dist', 'scripts', 'testing', 'test.js'), '--only', 'e2e', ...args];
    failed = (await run(unit, { NODE_V8_COVERAGE: raw })) !== 0 || failed;
    failed = (await run(e2e, { [COVERAGE_VARIABLE]: raw })) !== 0 || failed;
  }
  const files = await readCoverage(raw, page, ROOMS);
  const isEnough = print(files);
  say(`Each line: ${join(page, 'index.html')}`);
  if (failed) say('A suite failed: see above.');
  return isEnough && !failed ? 0 : 1;
}

async function run(args: string[], env: Record<string, string>): Promise<number | null> {
  const options = { cwd: PROJECT_ROOT, env: { ...process.env, ...env }, stdio: 'inherit' } as const;
  const [code] = (await once(spawn(process.execPath, args, options), 'exit')) as [number | null];
  return code;
}

/** Returns whether every room has enough coverage. */
function print(files: FileCoverage[]): boolean {
  say('\nbranches           lines');
  let isEnough = true;
  for (const room of ROOMS) {
    const own = files.filter(({ path }) => path.startsWith(`src/${room}/`));
    const branches = sum(own.map((file) => file.branches));
    say(`${inWords(branches)}   ${inWords(sum(own.map((file) => file.lines)))}   src/${room}`);
    for (const file of own.filter(({ branches: { covered, total } }) => covered < total)) {
      say(`${inWords(file.branches)}   ${inWords(file.lines)}     ${file.path}`);
    }
    if (percent(branches) <= MIN_BRANCHES) {
      isEnough = false;
      say(`src/${room} must have more than ${MIN_BRANCHES} % of its branches covered`);
    }
  }
  return isEnough;
}

function sum(shares: Share[]): Share {
  return shares.reduce(
    (all, { covered, total }) => ({ covered: all.covered + covered, total: all.total + total }),
    { covered: 0, total: 0 },
  );
}

/** A room without branches counts as fully covered; one that was never loaded has no lines either. */
function percent({ covered, total }: Share): number {
  return total === 0 ? 0 : (100 * covered) / total;
}

function inWords(share: Share): string {
  return `${percent(share).toFixed(1).padStart(5)} % ${`${share.covered}/${share.total}`.padStart(8)}`;
}

process.exitCode = await work(process.argv.slice(2));
