import { join } from 'node:path';
import { PROJECT_ROOT } from '../../scripts/project.js';
import { type ServerProcess, startServer } from '../../scripts/server-process.js';
import { startEngines } from '../bench-cluster.js';
import type { BenchFolder } from '../bench-program.js';
import { Comparison } from './comparison.js';
import type { Ground } from './contender.js';
import type { Cores } from './cores.js';
import { signInAll } from './crowd-of-users.js';
import { Findings } from './findings.js';
import { accepted } from './measures/accepted.js';
import { connect } from './measures/connect.js';
import { crowd } from './measures/crowd.js';
import { delivery, deliveryAcrossNodes } from './measures/delivery.js';
import { firstWords } from './measures/first-words.js';
import { frame } from './measures/frame.js';
import type { Measure } from './measures/measure.js';
import { refusal } from './measures/refusal.js';
import { ticket } from './measures/ticket.js';
import { token } from './measures/token.js';
import { tell } from './progress.js';
import type { Sizes } from './sizes.js';

/** Those with the same plan share one start of a server. */
export const MEASURES: readonly Measure[] = [
  connect,
  ticket,
  refusal,
  frame,
  delivery,
  token,
  firstWords,
  accepted,
  deliveryAcrossNodes,
  crowd,
];

/** Measures all contenders, each time with new servers. */
export async function measureAll(
  folder: BenchFolder,
  cores: Cores | undefined,
  measures: readonly Measure[],
  sizes: Sizes,
): Promise<Findings> {
  const ground = await prepare(folder, cores);
  const accounts = await signInAll(ground, sizes.users);
  const findings = new Findings();
  const plans = [...new Set(measures.map(({ plan }) => plan))];
  for (let round = 1; round <= sizes.rounds; round++) {
    for (const plan of plans) {
      tell(`round ${round} of ${sizes.rounds}, servers of ${plan.nodes === 1 ? 'one node' : 'two nodes'}`);
      const comparison = new Comparison(ground, plan, accounts, sizes, findings);
      for (const measure of measures) if (measure.plan === plan) await comparison.run(measure);
      await comparison.end();
    }
  }
  return findings;
}

async function prepare(folder: BenchFolder, cores: Cores | undefined): Promise<Ground> {
  const engines = await startEngines(folder);
  // It ends with the others that the run has started.
  const { port } = await startModel(folder);
  return { folder, engines, cores, modelUrl: modelUrlOf(port) };
}

/** Starts the stand-in for Ollama. */
export async function startModel({
  path,
  ledger,
}: Pick<BenchFolder, 'path' | 'ledger'>): Promise<ServerProcess> {
  return startServer({
    name: 'model',
    env: process.env,
    logFile: join(path, 'model.log'),
    ledger,
    entry: join(PROJECT_ROOT, 'dist', 'bench', 'costs', 'model-stand-in.js'),
  });
}

export function modelUrlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}
