import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { run, unpackDebian } from './debian-copy.js';
import { onPath } from '../executable.js';
import { say } from '../launch-error.js';
import type { StateFolder } from '../state-folder.js';

const FOLDER = 'prometheus';

/** Prometheus' rule checker: from PATH, or from the copy that `fetchPromtool` made. */
export function findPromtool(state: StateFolder): string | undefined {
  const copy = join(state.in(FOLDER), 'usr', 'bin', 'promtool');
  return onPath('promtool') ?? (isRunnable(copy) ? copy : undefined);
}

/** A private copy of Debian's package: installing it would start a server on machines that have an init system. */
export function fetchPromtool(state: StateFolder): void {
  say(`promtool: fetching a private copy of prometheus into ${state.in(FOLDER)}`);
  if (unpackDebian(state, FOLDER, ['prometheus'])) return;
  // A fresh container image has empty package lists.
  const apt = onPath('apt-get');
  if (apt === undefined || process.getuid?.() !== 0 || !run(apt, ['update'], '/')) return;
  unpackDebian(state, FOLDER, ['prometheus']);
}

function isRunnable(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}
