import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CoverageReport, type V8CoverageEntry } from 'monocart-coverage-reports';
import { PROJECT_ROOT } from '../project.js';

/** Covered and total number of one kind. */
export interface Share {
  covered: number;
  total: number;
}

export interface FileCoverage {
  /** Path below the project, with `/`. */
  path: string;
  branches: Share;
  lines: Share;
}

const SOURCE = pathToFileURL(join(PROJECT_ROOT, 'src')).href;
const BUILT = pathToFileURL(join(PROJECT_ROOT, 'dist', 'src')).href;

/**
 * Adds up what V8 wrote into `folder`, one file per process, and maps it back to TypeScript. Writes a page that shows
 * each line to `output`.
 * @param rooms folders of `src` to report.
 */
export async function readCoverage(
  folder: string,
  output: string,
  rooms: readonly string[],
): Promise<FileCoverage[]> {
  const report = new CoverageReport({
    name: 'Admit One',
    baseDir: PROJECT_ROOT,
    outputDir: output,
    cleanCache: true,
    reports: ['v8'],
    logging: 'error',
  });
  for (const name of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: V8CoverageEntry[] };
    for (const entries of apart(result.flatMap((entry) => ofRooms(entry, rooms)))) await report.add(entries);
  }
  const results = await report.generate();
  return (results?.files ?? []).map(({ sourcePath, summary: { branches, lines } }) => ({
    path: sourcePath.slice(sourcePath.indexOf('src/')),
    branches: toShare(branches),
    lines: toShare(lines),
  }));
}

/** Jest reports the source file, although it ran the built one. */
function ofRooms(entry: V8CoverageEntry, rooms: readonly string[]): V8CoverageEntry[] {
  const url = entry.url.startsWith(`${SOURCE}/`)
    ? BUILT + entry.url.slice(SOURCE.length).replace(/\.ts$/, '.js')
    : entry.url;
  const isMeant = !url.endsWith('.spec.js') && rooms.some((room) => url.startsWith(`${BUILT}/${room}/`));
  return isMeant ? [{ ...entry, url, source: readFileSync(new URL(url), 'utf8') }] : [];
}

/** Jest runs a file once for each spec that imports it: splits the results into lists that contain each file once. */
function apart(entries: V8CoverageEntry[]): V8CoverageEntry[][] {
  const lists: Map<string, V8CoverageEntry>[] = [];
  for (const entry of entries) {
    const free = lists.find((list) => !list.has(entry.url));
    if (free === undefined) lists.push(new Map([[entry.url, entry]]));
    else free.set(entry.url, entry);
  }
  return lists.map((list) => [...list.values()]);
}

function toShare({ covered, total }: { covered?: number; total?: number } | undefined = {}): Share {
  return { covered: covered ?? 0, total: total ?? 0 };
}
