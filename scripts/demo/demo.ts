import { rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEMO_ACCOUNTS, DEMO_PASSWORD, prepareDatabase } from './demo-database.js';
import { frontPort, nodeSettings } from './demo-settings.js';
import { Front } from '../network/front.js';
import { LaunchError, say } from '../launch-error.js';
import { Launcher } from './launcher.js';
import { NodePool } from '../network/node-pool.js';
import { startServer } from '../server-process.js';
import type { ServerProcess } from '../server-process.js';
import { providePostgres, provideRedis } from '../engines/services.js';
import type { Service } from '../engines/services.js';
import { StateFolder } from '../state-folder.js';

const HELP = `npm run demo -- [--nodes 1|2|3] [--reset]

Starts Admit One on this machine: Postgres, Redis, two nodes and one port before them.
  --nodes N   how many nodes, 1 to 3 (2)
  --reset     empties .admit-one/ first: data, secrets, logs and fetched engines
  PORT, HOST  where the front port listens (8000, 127.0.0.1)
  DATABASE_URL, REDIS_URL and every other setting of the server are passed on.`;

interface Options {
  nodes: number;
  reset: boolean;
}

function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        nodes: { type: 'string', default: '2' },
        reset: { type: 'boolean', default: false },
        help: { type: 'boolean' },
      },
    });
    if (values.help === true) return undefined;
    if (!/^[123]$/.test(values.nodes))
      throw new LaunchError(`--nodes must be 1, 2 or 3, not ${values.nodes}`);
    return { nodes: Number(values.nodes), reset: values.reset };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    say(`${reason}\n\n${HELP}`);
    process.exit(2);
  }
}

async function startDemo(launcher: Launcher, { nodes, reset }: Options): Promise<void> {
  const started = Date.now();
  const { state, ledger } = launcher;
  if (reset) state.empty(ledger.file);
  const factsFile = state.in('demo.json');
  rmSync(factsFile, { force: true });

  // Check the port first: a busy port is the cheapest problem to find.
  const pool = new NodePool();
  const front = new Front(pool);
  const port = await front.listen(process.env.HOST || '127.0.0.1', frontPort());
  launcher.onEnd(() => {
    front.stopListening();
    pool.stop();
    rmSync(factsFile, { force: true });
  });

  const [postgres, redis] = await Promise.all([providePostgres(state, ledger), provideRedis(state, ledger)]);
  await prepareDatabase(postgres.url);
  const servers = await startNodes(launcher, pool, nodes, nodeSettings(state, { port, postgres, redis }));
  pool.watch();
  const facts = {
    front: { port },
    nodes: servers.map(({ child, port: own }) => ({ name: child.name, pid: child.pid, port: own })),
    postgres: { url: postgres.url, pid: postgres.pid },
    redis: { url: redis.url, pid: redis.pid },
  };
  writeFileSync(factsFile, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 });
  announce(port, servers, { postgres, redis }, (Date.now() - started) / 1000);
}

async function startNodes(
  { state, ledger }: Launcher,
  pool: NodePool,
  count: number,
  settings: NodeJS.ProcessEnv,
): Promise<ServerProcess[]> {
  // The front is the one proxy whose X-Forwarded-For is trusted.
  const env = { TRUST_PROXY: '1', ...settings, HOST: '127.0.0.1', PORT: '0' };
  const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  const starting = names.map(async (name) => {
    const server = await startServer({ name, env, logFile: state.in('logs', `${name}.log`), ledger });
    pool.add(server);
    return server;
  });
  return Promise.all(starting);
}

function announce(
  port: number,
  servers: ServerProcess[],
  services: { postgres: Service; redis: Service },
  seconds: number,
): void {
  const whose = ({ pid }: Service): string => (pid === undefined ? 'found in the environment' : `pid ${pid}`);
  say(`\nAdmit One is ready after ${seconds.toFixed(1)} s: http://localhost:${port}\n`);
  for (const { email, role } of DEMO_ACCOUNTS) say(`  ${email.padEnd(22)} ${DEMO_PASSWORD}   ${role}`);
  say('');
  for (const { child, port: own } of servers)
    say(`  ${child.name}     pid ${child.pid}, port ${own}, log ${child.logFile}`);
  say(`  postgres   ${whose(services.postgres)}`);
  say(`  redis      ${whose(services.redis)}`);
  const victim = servers[0]?.child.pid;
  if (servers.length > 1)
    say(`\nkill -9 ${victim} while an answer is being written: the other node goes on with it.`);
  say('Ctrl-C stops everything.');
}

const options = readOptions();
if (options === undefined) {
  say(HELP);
} else {
  const launcher = new Launcher(new StateFolder(process.cwd()));
  await launcher.run(() => startDemo(launcher, options));
}
