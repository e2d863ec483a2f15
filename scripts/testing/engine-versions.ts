import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { ENGINE_VERSIONS } from '../engines/engine-versions.js';
import { explain, say } from '../launch-error.js';
import { PROJECT_ROOT } from '../project.js';
import { StateFolder } from '../state-folder.js';

/** What an engine has to do for us: commands and scripts, statements and types, and what happens when it is cut off. */
const FILES = [
  'ticket.e2e',
  'upgrade.e2e',
  'sessions',
  'chat-messages',
  'chat-history',
  'chat-takeover',
  'faults',
];
const LIMIT_MS = 15 * 60_000;

/**
 * Runs a part of the end-to-end suite on other versions of the engines: `npm run test:engines` on all of them,
 * `npm run test:engines -- postgres-14 valkey-8` on some.
 */
function main(names: readonly string[]): number {
  const unknown = names.filter((name) => !ENGINE_VERSIONS.some((version) => version.name === name));
  if (unknown.length > 0) {
    const known = ENGINE_VERSIONS.map(({ name }) => name).join(', ');
    say(`expected names of ${known}; got ${unknown.join(', ')}`);
    return 2;
  }
  const state = new StateFolder(PROJECT_ROOT);
  const chosen = ENGINE_VERSIONS.filter(({ name }) => names.length === 0 || names.includes(name));
  const outcomes = chosen.map((version) => {
    say(`\n=== ${version.name} ===`);
    try {
      return { name: version.name, outcome: suite(version.fetch(state)) ? 'passed' : 'failed' };
    } catch (error) {
      say(explain(error));
      return { name: version.name, outcome: 'not obtained' };
    }
  });
  say('');
  for (const { name, outcome } of outcomes) say(`${name.padEnd(12)} ${outcome}`);
  return outcomes.every(({ outcome }) => outcome === 'passed') ? 0 : 1;
}

/** The engine that stands first on PATH is the one that the runner takes. */
function suite(programs: string): boolean {
  const runner = join(PROJECT_ROOT, 'dist', 'scripts', 'testing', 'test.js');
  const { status } = spawnSync(process.execPath, [runner, '--only', 'e2e', ...FILES], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH ?? ''}` },
    stdio: 'inherit',
    timeout: LIMIT_MS,
  });
  return status === 0;
}

process.exitCode = main(process.argv.slice(2));
