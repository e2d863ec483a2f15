import { setTimeout as wait } from 'node:timers/promises';
import { say } from '../scripts/launch-error.js';
import { createAccounts, startEngines, startServers } from './bench-cluster.js';
import { readOptions } from './bench-options.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { type HeldState, HeldStateReader, readMetrics } from './held-state.js';
import { INSPECTABLE } from './node-inspector.js';
import { KINDS, liveTogether, SHORT_TOKEN_SECONDS } from './soak-crowd.js';
import {
  countsOf,
  heapBound,
  judgeClients,
  judgeRest,
  lineOf,
  tableOf,
  type Verdict,
} from './soak-report.js';
import { SoakTally } from './soak-tally.js';

const HELP = `Lets clients idle, reconnect, ask, sign out and renew for a while, and looks whether everything comes back.

  npm run bench:soak -- [--minutes 10] [--clients 300]

Ends with code 0 when memory, sockets, Redis keys and Postgres connections are where they began, and nobody was cut off.`;

/** Life of the access tokens of the first node: longer than the program. */
const LONG_TOKEN_SECONDS = 86_400;
const WARM_UP_SECONDS = 60;
const LOOK_EVERY_MS = 30_000;
/** A node keeps an idle HTTP connection for 75 s, and a session that nobody uses for 60 s. */
const REST_MS = 80_000;
/** Limit of the wait for figures to return to their start. */
const REST_LIMIT_MS = 120_000;
const LOOK_AGAIN_MS = 5000;
/** Time for everything except the soak itself. */
const LIMIT_SECONDS = 600;

const SETTINGS = { SESSION_TTL_SECONDS: '60' };

const OPTIONS = {
  minutes: { fallback: 10, min: 1, max: 1440 },
  clients: { fallback: 300, min: 10, max: 2000 },
};
type Options = Record<keyof typeof OPTIONS, number>;

async function soak(folder: BenchFolder, { minutes, clients }: Options): Promise<boolean> {
  const engines = await startEngines(folder);
  // Direct, without the proxy that breaks connections.
  const settings = { ...SETTINGS, REDIS_URL: engines.redisUrl };
  const lives = [LONG_TOKEN_SECONDS, SHORT_TOKEN_SECONDS].map(String);
  const perNode = lives.map((life) => ({ ...settings, ACCESS_TOKEN_TTL_SECONDS: life }));
  const servers = await startServers(folder, engines, perNode, INSPECTABLE);
  const ports = servers.map(({ port }) => port);
  const emails = await createAccounts(engines, clients);
  const reader = await HeldStateReader.open(servers, engines);

  say(
    `${servers.length} nodes, ${clients} clients: ${KINDS.map(({ name, share }) => `${share * 100} % ${name}`).join(', ')}`,
  );
  await liveTogether(emails, ports, new SoakTally(), AbortSignal.timeout(WARM_UP_SECONDS * 1000));
  await wait(REST_MS);
  const begin = await reader.readAtRest();
  const countersBefore = await countersOf(ports);
  say(lineOf(0, begin));

  const tally = new SoakTally();
  const during = await watchWhile(reader, minutes * 60, (signal) =>
    liveTogether(emails, ports, tally, signal),
  );
  const { end, verdicts } = await comeToRest(reader, begin, tally);
  const countersAfter = await countersOf(ports);
  for (const line of tableOf(begin, during, end)) say(line);
  for (const line of [...countsOf(tally), ...growthOf(countersBefore, countersAfter)]) say(line);
  say(heapBound((tally.done.get('connect') ?? 0) / servers.length));
  for (const { isKept, text } of verdicts) say(`${isKept ? 'ok' : 'NOT KEPT'} - ${text}`);
  await reader.close();
  return verdicts.every(({ isKept }) => isKept);
}

/** Takes a sample every 30 s while the crowd runs. Returns the samples. */
async function watchWhile(
  reader: HeldStateReader,
  seconds: number,
  crowd: (signal: AbortSignal) => Promise<void>,
): Promise<HeldState[]> {
  const startMs = performance.now();
  const signal = AbortSignal.timeout(seconds * 1000);
  const living = crowd(signal);
  // Until it is awaited below, a failure is not an unhandled one.
  living.catch(() => undefined);
  const seen: HeldState[] = [];
  for (let look = 1; look * LOOK_EVERY_MS <= seconds * 1000; look++) {
    await wait(startMs + look * LOOK_EVERY_MS - performance.now());
    const state = await reader.read();
    seen.push(state);
    say(lineOf(Math.round((performance.now() - startMs) / 1000), state));
  }
  await living;
  return seen;
}

/** Waits until every figure has returned to its start, or the limit has passed. */
async function comeToRest(
  reader: HeldStateReader,
  begin: HeldState,
  tally: SoakTally,
): Promise<{ end: HeldState; verdicts: Verdict[] }> {
  const startMs = performance.now();
  for (;;) {
    const end = await reader.read();
    const verdicts = [...judgeClients(tally), ...judgeRest(begin, end, tally)];
    const restedMs = performance.now() - startMs;
    if (verdicts.every(({ isKept }) => isKept) || restedMs > REST_LIMIT_MS) {
      say(`looked at ${Math.round(restedMs / 1000)} s after the last socket was closed`);
      return { end, verdicts };
    }
    await wait(LOOK_AGAIN_MS);
  }
}

const COUNTERS = ['chat_auth_attempts_total', 'chat_ws_upgrades_total', 'chat_ws_closes_total'];

/** Sum of a counter over all nodes, by name and labels. */
async function countersOf(ports: readonly number[]): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const { name, labels, value } of (await Promise.all(ports.map(readMetrics))).flat()) {
    if (!COUNTERS.includes(name)) continue;
    const key = `${name} ${Object.values(labels).join(' ')}`;
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

function growthOf(before: Map<string, number>, after: Map<string, number>): string[] {
  return COUNTERS.map((name) => {
    const grown = [...after]
      .filter(([key]) => key.startsWith(`${name} `))
      .map(([key, value]) => ({ label: key.slice(name.length + 1), growth: value - (before.get(key) ?? 0) }))
      .filter(({ growth }) => growth > 0);
    return `${name}: ${grown.map(({ label, growth }) => `${label} ${growth}`).join(', ')}`;
  });
}

const options = readOptions(HELP, OPTIONS);
await runBench('soak', options.minutes * 60 + LIMIT_SECONDS, (folder) => soak(folder, options));
