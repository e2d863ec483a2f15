import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from '../executable.js';
import type { StateFolder } from '../state-folder.js';

/** Time limit of one step of apt or dpkg. */
export const APT_LIMIT_MS = 180_000;

/**
 * Downloads packages of the distribution and unpacks them into our own folder: installs nothing, starts no service, and
 * works for an ordinary user too.
 * @param name of the folder, relative to the state folder; earlier contents are replaced.
 * @returns whether it worked; false where there is no apt.
 */
export function unpackDebian(state: StateFolder, name: string, packages: string[]): boolean {
  const apt = onPath('apt-get');
  const dpkg = onPath('dpkg');
  if (apt === undefined || dpkg === undefined) return false;
  const staging = state.in(`${name}.${process.pid}`);
  mkdirSync(staging, { recursive: true });
  try {
    if (!run(apt, ['download', ...packages], staging)) return false;
    const archives = readdirSync(staging).filter((file) => file.endsWith('.deb'));
    const root = join(staging, 'root');
    if (!archives.every((archive) => run(dpkg, ['-x', archive, root], staging))) return false;
    rmSync(state.in(name), { recursive: true, force: true });
    renameSync(root, state.in(name));
    return true;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Whether a step of apt or dpkg succeeded. */
export function run(command: string, args: string[], cwd: string): boolean {
  return spawnSync(command, args, { cwd, stdio: 'ignore', timeout: APT_LIMIT_MS }).status === 0;
}
