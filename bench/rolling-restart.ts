import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, say } from '../scripts/launch-error.js';
import { ensureDatabase } from '../scripts/engines/postgres-database.js';
import { PROJECT_ROOT } from '../scripts/project.js';
import { findRedis } from '../scripts/engines/redis-binaries.js';
import { startRedis } from '../scripts/engines/redis-server.js';
import { StateFolder } from '../scripts/state-folder.js';
import { clearEarlierRuns, type RunFacts, TestRun } from '../scripts/testing/test-run.js';
import { readOptions } from './bench-options.js';
import { rollingRestart } from './restart-run.js';
import { summaryOf } from './restart-summary.js';

const HELP = `Restarts every node behind the demo's proxy in turn, on private engines, while clients ask and read.

  npm run bench:rolling-restart -- [--clients 300] [--nodes 3] [--drain-seconds 20]

Ends with code 0 when nothing was lost, doubled or cut, and no client had to sign in.`;

const LIMIT_MS = 600_000;

const OPTIONS = {
  clients: { fallback: 300, min: 1, max: 2000 },
  nodes: { fallback: 3, min: 2, max: 8 },
  'drain-seconds': { fallback: 20, min: 2, max: 60 },
};

interface Options {
  clients: number;
  nodes: number;
  drainSeconds: number;
}

async function measure(run: TestRun, state: StateFolder, options: Options): Promise<boolean> {
  await run.start();
  const { ledger, folder, factsFile } = run;
  const { data, postgresUrl } = JSON.parse(readFileSync(factsFile, 'utf8')) as RunFacts;
  const logFile = (name: string): string => join(folder, `${name}.log`);
  const redis = await startRedis({
    program: findRedis(state),
    folder: join(data, 'redis'),
    logFile: logFile('redis'),
    ledger,
    durable: false,
  });
  const databaseUrl = await ensureDatabase(postgresUrl, 'rolling_restart');
  const settings = { ...options, databaseUrl, redisUrl: redis.url, ledger, logFile };
  const summary = summaryOf(await rollingRestart(settings));
  say(JSON.stringify(summary, null, 2));
  const { lost, doubled, abnormal, signIns, faults } = summary;
  return lost + doubled + abnormal + signIns + faults.length === 0;
}

async function main(options: Options): Promise<void> {
  const state = new StateFolder(PROJECT_ROOT);
  await clearEarlierRuns(state);
  const run = new TestRun(state, 'single');
  const end = async (code: number): Promise<never> => {
    await run.end();
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(1));
  setTimeout(() => {
    say(`It did not end within ${LIMIT_MS / 1000} s; see ${run.folder}`);
    void end(1);
  }, LIMIT_MS).unref();
  try {
    await end((await measure(run, state, options)) ? 0 : 1);
  } catch (error) {
    say(`${explain(error)}; see ${run.folder}`);
    await end(1);
  }
}

const { clients, nodes, 'drain-seconds': drainSeconds } = readOptions(HELP, OPTIONS);
await main({ clients, nodes, drainSeconds });
