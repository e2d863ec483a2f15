import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROJECT_ROOT } from '../scripts/project.js';

const run = promisify(execFile);
const FOLDER = 'src/auth/legacy';
const REGISTRATION = 'src/auth/auth.module.ts';

describe('the old ways in', () => {
  let copy: string;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'without-legacy-'));
    for (const part of ['src', 'protocol', 'migrations', 'tsconfig.json', 'package.json'])
      await cp(join(PROJECT_ROOT, part), join(copy, part), { recursive: true });
    await symlink(join(PROJECT_ROOT, 'node_modules'), join(copy, 'node_modules'));
    const settings = {
      extends: './tsconfig.json',
      include: ['src', 'protocol', 'migrations'],
      exclude: ['**/*.spec.ts'],
    };
    await writeFile(join(copy, 'tsconfig.without.json'), JSON.stringify(settings));
  });

  afterAll(() => rm(copy, { recursive: true, force: true }));

  it('are one folder and one line: without them the server compiles', async () => {
    await rm(join(copy, FOLDER), { recursive: true });
    const file = join(copy, REGISTRATION);
    const lines = (await readFile(file, 'utf8')).split('\n');
    const others = lines.filter((line) => !line.includes("'./legacy/"));
    expect(lines.length - others.length).toBe(1);
    await writeFile(file, others.join('\n'));
    const compiler = join(PROJECT_ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = await run(process.execPath, [compiler, '-p', 'tsconfig.without.json'], {
      cwd: copy,
      timeout: 60_000,
    }).catch((error: { stdout: string }) => error);
    expect(compiled.stdout).toBe('');
  });
});
