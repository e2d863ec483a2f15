import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentRun } from '../../scripts/testing/test-run.js';

/** Records a credential, so that the end of the run can prove that no log contains it. Returns the credential. */
export function rememberSecret(secret: string): string {
  appendFileSync(join(currentRun().folder, 'secrets.txt'), `${secret}\n`, { mode: 0o600 });
  return secret;
}
