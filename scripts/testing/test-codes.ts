import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS } from '../../protocol/errors.js';
import type { ErrorCode } from '../../protocol/errors.js';

/** File in the folder of a run where the tests record each error code that a server returned. */
export const CODES_FILE = 'codes.txt';

/** Codes that no test of a run received. */
export function unreachedCodes(runFolder: string): ErrorCode[] {
  const file = join(runFolder, CODES_FILE);
  const seen = new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []);
  return (Object.keys(ERRORS) as ErrorCode[]).filter((code) => !seen.has(code));
}
