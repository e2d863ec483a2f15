import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { PROJECT_ROOT } from '../../scripts/project.js';

const BUILD_LIMIT_MS = 60_000;

/** Builds the page into `folder` in development mode, where React's strict mode mounts every component twice. */
export async function buildForDevelopment(folder: string): Promise<void> {
  const vite = join(PROJECT_ROOT, 'node_modules/vite/bin/vite.js');
  const options = ['--mode', 'development', '--outDir', folder, '--emptyOutDir', '--logLevel', 'error'];
  await promisify(execFile)(process.execPath, [vite, 'build', '--config', 'web/vite.config.ts', ...options], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, NODE_ENV: 'development' },
    timeout: BUILD_LIMIT_MS,
  });
}

/**
 * Makes the page run the scripts in `folder` from now on. The page itself still comes from the server, because Chromium
 * lets no page from another origin dial an address of this machine.
 */
export async function serveScriptsFrom(page: Page, folder: string): Promise<void> {
  const assets = join(folder, 'assets');
  const names = await readdir(assets);
  const entry = names.find(isEntry);
  if (entry === undefined)
    throw new Error(`expected the page's entry in ${assets}, found ${names.join(', ')}`);
  await page.route('**/assets/*.js', (route) => {
    const name = basename(new URL(route.request().url()).pathname);
    return route.fulfill({ path: join(assets, isEntry(name) ? entry : name) });
  });
}

function isEntry(name: string): boolean {
  return name.startsWith('index-') && name.endsWith('.js');
}
