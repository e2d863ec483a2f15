import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_ROOT } from '../project.js';

/** Lines of code in formatted TypeScript: without blank lines, comments and imports. */
export function codeLines(text: string): number {
  const code = text
    .replace(/^[ \t]*\/\*(?:(?!\*\/)[^])*\*\/[ \t]*$/gm, '')
    .replace(/^import [^]*?;$/gm, '')
    .replace(/^[ \t]*\/\/.*$/gm, '');
  return code.split('\n').filter((line) => line.trim() !== '').length;
}

/** Lines of code by file of a folder, without subfolders and specs. */
export function codeLinesIn(folder: string): Map<string, number> {
  const names = readdirSync(join(PROJECT_ROOT, folder)).filter((name) => /(?<!\.spec)\.ts$/.test(name));
  const files = names.map((name) => `${folder}/${name}`);
  return new Map(files.map((file) => [file, codeLines(readFileSync(join(PROJECT_ROOT, file), 'utf8'))]));
}
