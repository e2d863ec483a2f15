import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Shorter pieces would match by chance. */
const SHORTEST_SECRET = 12;

export interface LeakSearch {
  secrets: number;
  logs: number;
  /** Log files that contain a secret, with the line number of the first; never the secret itself. */
  leaks: string[];
}

/** Searches every log of the run for every credential that the tests used. */
export function searchLeaks(runFolder: string): LeakSearch {
  const secrets = readSecrets(join(runFolder, 'secrets.txt'));
  const logs = logFiles(runFolder);
  const leaks = logs.flatMap((file) => {
    const line = firstLeak(readFileSync(file, 'utf8'), secrets);
    return line === undefined ? [] : [`${file}:${line}`];
  });
  return { secrets: secrets.size, logs: logs.length, leaks };
}

/**
 * Of a JWT (three parts) only the signature is secret by itself. All credentials are base64url, so a log is split at
 * all other characters and its pieces are looked up: linear in the log for any number of secrets.
 */
function readSecrets(file: string): Set<string> {
  if (!existsSync(file)) return new Set();
  const pieces = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((secret) => secret.split('.').at(-1) ?? []);
  return new Set(pieces.filter((piece) => piece.length >= SHORTEST_SECRET));
}

function firstLeak(text: string, secrets: Set<string>): number | undefined {
  for (const match of text.matchAll(/[A-Za-z0-9_-]{12,}/g)) {
    if (secrets.has(match[0])) return text.slice(0, match.index).split('\n').length;
  }
  return undefined;
}

function logFiles(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return entries.filter((entry) => entry.endsWith('.log')).map((entry) => join(folder, entry));
}
