import { setTimeout as pause } from 'node:timers/promises';
import type { SignIn } from '../protocol/resources.js';
import { say } from '../scripts/launch-error.js';
import { BenchSocket, mint, post, Refused, signIn } from './bench.client.js';
import { createAccounts, startEngines, startNodes } from './bench.cluster.js';
import { type BenchFolder, runBench } from './bench.program.js';
import { inParallel, percentile, spread } from './figures.js';

const NODES = 2;
const CLIENTS = 200;
const DURATION_MS = 30_000;
/** Between two visits of a client, at random up to this: enough to keep the nodes busy, not to drown them. */
const PAUSE_MS = 4000;
/** Above this share of refused steps the program fails. */
const MAX_FAILURES = 0.01;

/** What all clients together have seen. */
class Tally {
  readonly steps = new Map<string, number[]>();
  readonly failures = new Map<string, number>();

  /** Measures one step; a refusal is counted by its code and ends the visit. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      const result = await work();
      this.durations(name).push(performance.now() - start);
      return result;
    } catch (error) {
      const code = error instanceof Refused ? error.code : 'unexpected';
      const key = `${name} ${code}`;
      this.failures.set(key, (this.failures.get(key) ?? 0) + 1);
      throw error;
    }
  }

  durations(name: string): number[] {
    let durations = this.steps.get(name);
    if (durations === undefined) this.steps.set(name, (durations = []));
    return durations;
  }
}

/**
 * Whether valid clients are ever refused under load: 200 of them sign in, and then mint, connect, exchange a frame,
 * refresh their tokens, renew the socket and close it, over and over, for half a minute.
 */
async function measureLoad(folder: BenchFolder): Promise<boolean> {
  const engines = await startEngines(folder);
  const ports = await startNodes(folder, engines, NODES, {});
  const emails = await createAccounts(engines, CLIENTS);
  const tally = new Tally();
  // Hashing a password is slow on purpose: signing in all at once would measure only that.
  const signedIn = await inParallel(emails, 4, (email, index) =>
    tally.step('sign-in', () => signIn(ports[index % NODES] ?? 0, email)).catch(skip),
  );
  const untilMs = performance.now() + DURATION_MS;
  const clients = signedIn.filter((tokens) => tokens !== undefined);
  await Promise.all(clients.map((tokens, index) => visitOften(ports, tokens, index, untilMs, tally)));
  return report(tally);
}

async function visitOften(
  ports: readonly number[],
  tokens: SignIn,
  index: number,
  untilMs: number,
  tally: Tally,
): Promise<void> {
  let own: SignIn | undefined = tokens;
  await pause(Math.random() * PAUSE_MS);
  for (let round = index; own !== undefined && performance.now() < untilMs; round++) {
    // A ticket is as good on any other node.
    own = await visit(ports[round % NODES] ?? 0, ports[(round + 1) % NODES] ?? 0, own, tally);
    await pause(Math.random() * PAUSE_MS);
  }
}

/** One visit. Answers the tokens of the next one; without them, refused, a client is gone. */
async function visit(
  mintPort: number,
  port: number,
  tokens: SignIn,
  tally: Tally,
): Promise<SignIn | undefined> {
  let socket: BenchSocket | undefined;
  try {
    const minted = await tally.step('mint', () => mint(mintPort, tokens.access_token, 'connect'));
    const open = await tally.step('connect', () => BenchSocket.open(port, minted.ticket));
    socket = open;
    await tally.step('ping', () => open.ask('ping', {}, 'pong'));
    const body = { refresh_token: tokens.refresh_token };
    const next = await tally.step('refresh', () => post<SignIn>(port, '/auth/refresh', body));
    const renewal = await tally.step('mint', () => mint(mintPort, next.access_token, 'refresh'));
    await tally.step('renew', () => open.ask('auth.refresh', { ticket: renewal.ticket }, 'auth.refreshed'));
    await tally.step('close', () => open.close());
    return next;
  } catch {
    // Counted where it was refused.
    await socket?.close().catch(skip);
    return undefined;
  }
}

function report(tally: Tally): boolean {
  for (const [name, durations] of tally.steps) say(`${name.padEnd(8)} ${spread(durations)}`);
  for (const [what, count] of tally.failures) say(`refused: ${what}, ${count} times`);
  const failed = [...tally.failures.values()].reduce((sum, count) => sum + count, 0);
  const all = [...tally.steps.values()].reduce((sum, { length }) => sum + length, failed);
  const isKept = all > 0 && failed / all < MAX_FAILURES;
  const share = ((failed / all) * 100).toFixed(3);
  say(`${failed} of ${all} steps of ${CLIENTS} valid clients refused (${share} %)`);
  const slowest = percentile(tally.durations('connect'), 0.95);
  say(`${isKept ? 'ok' : 'NOT KEPT'} - under ${MAX_FAILURES * 100} %; connect p95 ${slowest.toFixed(0)} ms`);
  return isKept;
}

function skip(): undefined {
  return undefined;
}

await runBench('auth-load', 120, measureLoad);
