import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { APT_LIMIT_MS, run, unpackDebian } from './debian-copy.js';
import { isExecutable, onPath } from '../executable.js';
import { LaunchError, say } from '../launch-error.js';
import type { StateFolder } from '../state-folder.js';

/** A Redis server program with its extra environment, or the Docker client that can run one. */
export type RedisProgram =
  { kind: 'binary'; command: string; libraryPath?: string } | { kind: 'docker'; command: string };

const NAMES = ['redis-server', 'valkey-server'];
const PACKAGE = 'redis-server';
/** Packages that Debian 12 and Ubuntu need in addition to a base system. */
const USUAL_PACKAGES = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'];

/** Looks on PATH, then for a private copy of the distribution's package (in `state`), then for Docker. */
export function findRedis(state: StateFolder): RedisProgram {
  const installed = NAMES.map(onPath).find((path) => path !== undefined);
  if (installed !== undefined) return { kind: 'binary', command: installed };
  const copy = unpackedCopy(state) ?? fetchCopy(state);
  if (copy !== undefined) return copy;
  const docker = onPath('docker');
  if (docker !== undefined && dockerAnswers(docker)) return { kind: 'docker', command: docker };
  throw new LaunchError(
    'No Redis found: set REDIS_URL, or install redis-server or valkey-server ' +
      '(Debian: apt-get install redis-server; macOS: brew install redis), or start Docker.',
  );
}

function unpackedCopy(state: StateFolder): RedisProgram | undefined {
  const root = state.in('redis');
  const command = join(root, 'usr', 'bin', PACKAGE);
  if (!isExecutable(command)) return undefined;
  const libraryPath = libraryFolders(root).join(':');
  const env = { ...process.env, LD_LIBRARY_PATH: libraryPath };
  if (spawnSync(command, ['--version'], { env }).status !== 0) return undefined;
  return { kind: 'binary', command, libraryPath };
}

/** Debian keeps libraries in lib/<architecture>-linux-gnu, below / or /usr. */
function libraryFolders(root: string): string[] {
  return ['usr/lib', 'lib'].flatMap((name) => {
    const folder = join(root, name);
    if (!existsSync(folder)) return [];
    const inner = readdirSync(folder).map((entry) => join(folder, entry));
    return inner.filter((entry) => entry.includes('-linux-gnu'));
  });
}

/** Downloads and unpacks without installing: works for an ordinary user too. Undefined where there is no apt. */
function fetchCopy(state: StateFolder): RedisProgram | undefined {
  const apt = onPath('apt-get');
  if (apt === undefined) return undefined;
  const names = packagesToFetch(apt);
  if (names === undefined) return undefined;
  say(`Redis: fetching a private copy of ${names.join(', ')} into ${state.in('redis')}`);
  if (!unpackDebian(state, 'redis', names)) return undefined;
  return unpackedCopy(state);
}

/** The package and its missing dependencies, as apt resolves them. */
function packagesToFetch(apt: string): string[] | undefined {
  const resolved = resolve(apt);
  if (resolved !== undefined || process.getuid?.() !== 0) return resolved;
  // A fresh container image has empty package lists.
  return run(apt, ['update'], '/') ? resolve(apt) : undefined;
}

function resolve(apt: string): string[] | undefined {
  const simulate = ['--simulate', '--no-install-recommends', 'install', PACKAGE];
  const answer = spawnSync(apt, simulate, { encoding: 'utf8', timeout: APT_LIMIT_MS });
  const names = [...answer.stdout.matchAll(/^Inst (\S+)/gm)].flatMap((match) => match[1] ?? []);
  if (answer.status === 0 && names.length > 0) return names;
  // apt resolves nothing while any package of the system is half installed; it can still download.
  const known = spawnSync(apt, ['download', '--print-uris', ...USUAL_PACKAGES], { timeout: APT_LIMIT_MS });
  return known.status === 0 ? USUAL_PACKAGES : undefined;
}

function dockerAnswers(docker: string): boolean {
  return spawnSync(docker, ['version'], { stdio: 'ignore', timeout: 5_000 }).status === 0;
}
