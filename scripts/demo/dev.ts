import { join } from 'node:path';
import { startChild } from '../child-process.js';
import { prepareDatabase } from './demo-database.js';
import { frontPort, nodeSettings } from './demo-settings.js';
import { say } from '../launch-error.js';
import { Launcher } from './launcher.js';
import { PROJECT_ROOT, SERVER_ENTRY } from '../project.js';
import { providePostgres, provideRedis } from '../engines/services.js';
import { StateFolder } from '../state-folder.js';

/** One node that restarts when a file changes, with the demo's engines, accounts and settings. */
async function startDevelopment(launcher: Launcher): Promise<void> {
  const { state, ledger } = launcher;
  const port = frontPort();
  const [postgres, redis] = await Promise.all([providePostgres(state, ledger), provideRedis(state, ledger)]);
  await prepareDatabase(postgres.url);
  // Draining would only delay the restart.
  const settings = {
    ...nodeSettings(state, { port, postgres, redis }),
    PORT: String(port),
    DRAIN_SECONDS: '0',
  };
  const tool = (name: string): string => join(PROJECT_ROOT, 'node_modules', '.bin', name);
  const watch = async (
    name: string,
    command: string,
    args: string[],
    env: NodeJS.ProcessEnv,
  ): Promise<void> => {
    const child = await startChild({ name, command, args, env, cwd: PROJECT_ROOT, ledger });
    void child.exited.then(({ code, signal }) => say(`${name} ended with ${signal ?? `code ${code}`}`));
  };
  await watch(
    'tsc',
    tool('tsc'),
    ['-p', 'tsconfig.build.json', '--watch', '--preserveWatchOutput'],
    process.env,
  );
  await watch('vite', tool('vite'), ['build', '--watch', '--config', 'web/vite.config.ts'], process.env);
  await watch('node', process.execPath, ['--watch', '--enable-source-maps', SERVER_ENTRY], settings);
  say(`Watching; http://localhost:${port} (accounts as in the demo). Ctrl-C stops everything.`);
}

const launcher = new Launcher(new StateFolder(process.cwd()));
await launcher.run(() => startDevelopment(launcher));
