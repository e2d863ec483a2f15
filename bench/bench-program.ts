import { loadavg } from 'node:os';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { explain, say } from '../scripts/launch-error.js';
import { ProcessLedger } from '../scripts/process-ledger.js';
import { PROJECT_ROOT } from '../scripts/project.js';
import { StateFolder } from '../scripts/state-folder.js';

/** Folder for what a program starts; emptied at the end, unless it fails. */
export interface BenchFolder {
  readonly state: StateFolder;
  readonly path: string;
  readonly ledger: ProcessLedger;
}

const GRACE_MS = 10_000;

/**
 * Runs a measuring program and ends with exit code 0 when it returns true. Everything it has started is always ended:
 * when it fails, when it takes longer than `limitSeconds`, and at a signal.
 */
export async function runBench(
  name: string,
  limitSeconds: number,
  work: (folder: BenchFolder) => Promise<boolean>,
): Promise<void> {
  const state = new StateFolder(PROJECT_ROOT);
  const path = state.in('bench', `${name}-${process.pid}`);
  const ledger = new ProcessLedger(join(path, 'processes.jsonl'));
  const end = async (isGood: boolean): Promise<never> => {
    await ledger.endAll(GRACE_MS);
    if (isGood) rmSync(path, { recursive: true, force: true });
    else say(`Logs and data are left in ${path}`);
    process.exit(isGood ? 0 : 1);
  };
  const abort = (reason: string): void => {
    say(reason);
    void end(false);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => abort(`Ended by ${signal}.`));
  setTimeout(() => abort(`It did not end within ${limitSeconds} s.`), limitSeconds * 1000).unref();
  say(`${name}: load average ${loadAverage()} at the start`);
  let isGood = false;
  try {
    isGood = await work({ state, path, ledger });
    say(`load average ${loadAverage()} at the end`);
  } catch (error) {
    say(explain(error));
  }
  await end(isGood);
}

/** Load of the last minute: on a busy machine the figures measure the machine. */
function loadAverage(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}
