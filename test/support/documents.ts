import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PROJECT_ROOT } from '../../scripts/project.js';

export interface Document {
  /** From the root of the project. */
  path: string;
  text: string;
}

/** Folders whose files are the project's own source. */
const SOURCES = ['src', 'protocol', 'client', 'web', 'scripts', 'bench', 'test', 'migrations', 'ops', '.ci'];

/** Every page that people read. */
export function readDocuments(): Document[] {
  const root = readdirSync(PROJECT_ROOT).filter((name) => name.endsWith('.md'));
  const paths = [...root, 'protocol/PROTOCOL.md', ...filesIn('docs').filter((path) => path.endsWith('.md'))];
  return paths.map((path) => ({ path, text: readFileSync(join(PROJECT_ROOT, path), 'utf8') }));
}

/** Paths of all source files, from the root of the project. */
export function sourcePaths(): string[] {
  return SOURCES.flatMap(filesIn);
}

/** The shipped source as one text: the server, and what clients and operators use. */
export function shippedSource(): string {
  const shipped = ['src', 'protocol', 'client', 'ops', 'scripts', 'bench'].flatMap(filesIn);
  return shipped
    .filter((path) => /\.(ts|yml|json|conf)$|Caddyfile$/.test(path) && !path.endsWith('.spec.ts'))
    .map((path) => readFileSync(join(PROJECT_ROOT, path), 'utf8'))
    .join('\n');
}

/** The texts in code marks, without fenced blocks. */
export function marked({ text }: Document): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): Set<string> {
  const headings = text.matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  );
}

function filesIn(folder: string): string[] {
  return readdirSync(join(PROJECT_ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(PROJECT_ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path));
}
