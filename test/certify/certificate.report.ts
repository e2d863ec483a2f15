import { appendFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { currentRun } from '../../scripts/testing/test-run.js';
import type { Certificate } from './certificate.js';

/** Writes a line to standard error and to the run's folder: Jest holds other output back until a test has ended. */
export function tell(line: string): void {
  appendFileSync(join(currentRun().folder, 'certificate.txt'), `${line}\n`);
  writeSync(process.stderr.fd, `${line}\n`);
}

export function report({ seed, rounds, reloads, failedAnswers }: Certificate): void {
  const acknowledged = rounds.reduce((sum, round) => sum + round.acknowledged, 0);
  const slowest = Math.max(...rounds.map(({ recoveryMs }) => recoveryMs));
  const broken = rounds.reduce((sum, { findings }) => sum + findings.total, 0);
  const signedOut = rounds.reduce((sum, round) => sum + round.signedOut, 0);
  tell(
    `seed ${seed}: ${rounds.length} rounds, ${acknowledged} messages acknowledged, ${broken} promises broken; ` +
      `${failedAnswers} answers marked as failed, ${reloads} conversations loaded again, ${signedOut} customers signed in again, slowest recovery ${Math.round(slowest)} ms`,
  );
}
