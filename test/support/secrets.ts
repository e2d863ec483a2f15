import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentRun } from '../../scripts/testing/test-run.js';

/** Writes a credential down, so that the end of the run can prove that no log holds it. Answers the credential. */
export function rememberSecret(secret: string): string {
  appendFileSync(join(currentRun().folder, 'secrets.txt'), `${secret}\n`, { mode: 0o600 });
  return secret;
}
