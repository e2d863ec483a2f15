import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of package.json, found from this file: in scripts/ under Jest, in dist/scripts/ when built. */
export const PROJECT_ROOT = findRoot(import.meta.dirname);

export const SERVER_ENTRY = join(PROJECT_ROOT, 'dist', 'src', 'main.js');

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
  return findRoot(parent);
}
