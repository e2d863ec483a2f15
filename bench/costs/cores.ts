import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { onPath } from '../../scripts/executable.js';

/** Cores, as `taskset --cpu-list` takes them: one for the servers, the others for everything else. */
export interface Cores {
  server: string;
  rest: string;
}

/** Undefined where there is only one core, or no `taskset`: then the system decides. */
export function splitCores(): Cores | undefined {
  if (onPath('taskset') === undefined) return undefined;
  const allowed =
    /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '';
  const [server, ...rest] = allowed.split(',').flatMap(numbersOf);
  return server === undefined || rest.length === 0
    ? undefined
    : { server: String(server), rest: rest.join(',') };
}

/** Keeps this program, and all that it starts from now on, on these cores. */
export function stayOn(cores: string): void {
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(process.pid)]);
}

/** The numbers of `3` and of `4-7`. */
function numbersOf(range: string): number[] {
  const [first = Number.NaN, last = first] = range.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
