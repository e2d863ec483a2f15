import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { say } from '../scripts/launch-error.js';
import { PROJECT_ROOT } from '../scripts/project.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { ratioChart } from './costs/cost-charts.js';
import { type CostOptions, readCostOptions } from './costs/cost-options.js';
import { pageOf } from './costs/cost-page.js';
import { MEASURES, measureAll } from './costs/cost-run.js';
import { clockTable, costTable, judge, markdownOf } from './costs/cost-tables.js';
import { type Cores, splitCores, stayOn } from './costs/cores.js';
import type { Findings } from './costs/findings.js';
import { requireAccounting } from './costs/process-cost.js';
import { ROWS } from './costs/rows.js';
import { FULL, QUICK, type Sizes } from './costs/sizes.js';

const NAMES = MEASURES.map(({ name }) => name);
const HELP = `Measures what the built server costs: CPU time per unit of work, beside hand-written code and Socket.IO.

  npm run bench -- [--quick] [--only ${NAMES.join(',')}] [--crowd 10000] [--answers 60] [--svg]

--quick takes three minutes instead of fifteen, --only measures some of it, --crowd says how many
idle connections there are, --answers how many answers are written at once, --svg also writes docs/figures/bench.svg.
Needs Linux and two cores that nobody else uses. Ends with code 0 when every cost is within its bound, and when nobody
who comes back after a mass drop is refused.`;

const LIMIT_SECONDS = 5400;

async function measureCosts(folder: BenchFolder, options: CostOptions): Promise<boolean> {
  requireAccounting();
  const cores = splitCores();
  // Before the engines start, which inherit it.
  if (cores !== undefined) stayOn(cores.rest);
  const sizes = { ...(options.isQuick ? QUICK : FULL), ...options.sizes };
  const measures = MEASURES.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const loadBefore = loadavg();
  const findings = await measureAll(folder, cores, measures, sizes);
  const facts = factsOf(cores, sizes, loadBefore);

  for (const table of [costTable(findings), clockTable(findings)]) {
    if (table.rows.length > 0) say(`\n${markdownOf(table)}`);
  }
  say(`\n${facts.join('\n')}`);
  write(folder, findings, facts, options.writesFigure);
  const verdicts = judge(findings);
  for (const { isKept, text } of verdicts) if (!isKept) say(`NOT KEPT - ${text}`);
  for (const fault of findings.faults) say(`FAILED - ${fault}`);
  return findings.faults.length === 0 && verdicts.every(({ isKept }) => isKept);
}

function factsOf(
  cores: Cores | undefined,
  { rounds, repeats }: Sizes,
  loadBefore: readonly number[],
): string[] {
  const [processor] = cpus();
  const load = (averages: readonly number[]) => averages.map((average) => average.toFixed(1)).join(', ');
  const place = cores === undefined ? 'Nothing was pinned to a core' : `Servers on core ${cores.server}`;
  return [
    `${new Date().toISOString()}, Node ${process.version}, ${cpus().length} cores, ${processor?.model.trim()}.`,
    `${place}; medians of ${rounds * repeats} repetitions in ${rounds} ${rounds === 1 ? 'start' : 'starts'} of each server.`,
    `Load average before ${load(loadBefore)}, after ${load(loadavg())}: compare ratios, not figures of two runs.`,
  ];
}

/** The raw results and the page stay; what the servers left is removed. */
function write({ state }: BenchFolder, findings: Findings, facts: string[], writesFigure: boolean): void {
  const name = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const file = (suffix: string) => state.in('bench', `${name}.${suffix}`);
  const { values, waits, faults } = findings;
  writeFileSync(file('json'), JSON.stringify({ facts, rows: ROWS, values, waits, faults }, null, 1));
  writeFileSync(file('html'), pageOf(findings, facts));
  say(`Raw results: ${file('json')}\nPlots: ${file('html')}`);
  if (!writesFigure) return;
  const figures = join(PROJECT_ROOT, 'docs', 'figures');
  mkdirSync(figures, { recursive: true });
  writeFileSync(join(figures, 'bench.svg'), `${ratioChart(findings)}\n`);
}

const options = readCostOptions(HELP, NAMES);
await runBench('bench', LIMIT_SECONDS, (folder) => measureCosts(folder, options));
