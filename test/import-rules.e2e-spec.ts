import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { CLEAN, type Tree } from './import-rules.clean-tree.js';
import { FAULTS, type Fault } from './import-rules.faults.js';

const ROOT = join(import.meta.dirname, '..');
const ESLINT = 'node_modules/eslint/bin/eslint.js';
const DEPCRUISE = 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs';
const HOUSE_RULES = '../eslint.house-rules.js';
/** The runs of `npm run check:rules`, and their folders. */
const CRUISES = {
  '.dependency-cruiser.cjs': ['src', 'protocol', 'client', 'web', 'migrations'],
  '.dependency-cruiser.folders.cjs': ['src', 'protocol'],
};
const COPIED = [
  'eslint.config.js',
  'eslint.house-rules.js',
  ...Object.keys(CRUISES),
  'tsconfig.json',
  'package.json',
  'protocol',
];
const BROWSER_PROJECT = JSON.stringify({
  extends: '../tsconfig.json',
  compilerOptions: { lib: ['ES2023', 'DOM'] },
  include: ['src'],
});

/** `rule: file`, as both tools report it. */
type Findings = Set<string>;
interface EslintResult {
  filePath: string;
  messages: { ruleId: string | null; message: string }[];
}
interface CruiseResult {
  summary: { violations: { from: string; rule: { name: string } }[] };
}
interface Rules {
  forbidden: { name: string }[];
}

// The faults that change a file of the clean tree need a second copy of it.
const additions = FAULTS.filter((fault) => !changesCleanTree(fault));
const changes = FAULTS.filter(changesCleanTree);

let folder: string;
let findings: Findings[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-rules-'));
  const trees = [additions, changes].map(
    (faults) => Object.assign({}, CLEAN, ...faults.map(filesOf)) as Tree,
  );
  findings = await Promise.all(trees.map((tree, index) => check(join(folder, String(index)), tree)));
}, 180_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the import and syntax rules', () => {
  test('find nothing in a tree that follows them', () => {
    const complaints = [...(findings[0] ?? [])].filter(
      (finding) => CLEAN[finding.split(': ')[1] ?? ''] !== undefined,
    );
    expect(complaints).toEqual([]);
  });

  test.each(FAULTS.map((fault) => [fault.title, fault] as const))('find %s', (_title, fault) => {
    const file = fault.at ?? Object.keys(fault.files).at(-1) ?? '';
    const found = findings[changesCleanTree(fault) ? 1 : 0] ?? new Set();
    expect([...found]).toContain(`${fault.rule}: ${file}`);
  });

  test('each have a planted fault', async () => {
    const house = (await import(HOUSE_RULES)) as {
      default: { rules: Record<string, unknown> };
    };
    const load = createRequire(import.meta.url);
    const rules = [
      ...Object.keys(CRUISES).flatMap((name) =>
        (load(`../${name}`) as Rules).forbidden.map((rule) => rule.name),
      ),
      ...Object.keys(house.default.rules).map((name) => `house/${name}`),
    ];
    const planted = new Set(FAULTS.map((fault) => fault.rule));
    expect(rules.filter((rule) => !planted.has(rule))).toEqual([]);
  });
});

function filesOf(fault: Fault): Tree {
  return fault.files;
}

function changesCleanTree(fault: Fault): boolean {
  return Object.keys(fault.files).some((path) => path in CLEAN);
}

async function check(project: string, tree: Tree): Promise<Findings> {
  await mkdir(project);
  await symlink(join(ROOT, 'node_modules'), join(project, 'node_modules'));
  for (const name of COPIED) await cp(join(ROOT, name), join(project, name), { recursive: true });
  const files = { ...tree, 'client/tsconfig.json': BROWSER_PROJECT, 'web/tsconfig.json': BROWSER_PROJECT };
  for (const [path, source] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), `${source}\n`);
  }
  await mkdir(join(project, 'migrations'), { recursive: true });
  const lint = await report<EslintResult[]>(project, [ESLINT, '--format', 'json', '.']);
  const cruises: CruiseResult[] = [];
  for (const [config, rooms] of Object.entries(CRUISES)) {
    const args = [DEPCRUISE, '--config', config, '--output-type', 'json', ...rooms];
    cruises.push(await report<CruiseResult>(project, args));
  }
  return new Set([
    ...lint.flatMap(({ filePath, messages }) =>
      messages.map(({ ruleId, message }) => `${ruleId ?? message}: ${relative(project, filePath)}`),
    ),
    ...cruises.flatMap(({ summary }) => summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`)),
  ]);
}

/** Both tools exit with a failure when they find something, which is expected here. */
function report<T>(project: string, args: string[]): Promise<T> {
  const options = { cwd: project, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (stdout === '') reject(new Error(stderr, { cause: error }));
      else resolve(JSON.parse(stdout) as T);
    });
  });
}
