import { setTimeout as pause } from 'node:timers/promises';
import type { SignIn } from '../protocol/resources.js';
import { say } from '../scripts/launch-error.js';
import { BenchSocket, mint, post, Refused, signIn } from './bench-client.js';
import { createAccounts, startEngines, startNodes } from './bench-cluster.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { inParallel, spread } from './figures.js';

const NODES = 2;
const CLIENTS = 200;
const DURATION_MS = 30_000;
/** Longest random pause between two visits of a client: keeps the nodes busy without overloading them. */
const PAUSE_MS = 4000;
/** The program fails when this share of one kind of step was refused. */
const MAX_FAILURES = 0.01;

/** The results of all clients. */
class Tally {
  readonly steps = new Map<string, number[]>();
  /** How often each step was refused, by code. */
  readonly failures = new Map<string, Map<string, number>>();

  /** Measures one step; a refusal is counted by its code and ends the visit. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      const result = await work();
      this.durations(name).push(performance.now() - start);
      return result;
    } catch (error) {
      const code = error instanceof Refused ? error.code : 'unexpected';
      const counts = this.failures.get(name) ?? new Map<string, number>();
      this.failures.set(name, counts.set(code, (counts.get(code) ?? 0) + 1));
      throw error;
    }
  }

  /** The refused share of a step. */
  refused(name: string): number {
    const failed = [...(this.failures.get(name)?.values() ?? [])].reduce((sum, count) => sum + count, 0);
    return failed / (failed + this.durations(name).length);
  }

  durations(name: string): number[] {
    let durations = this.steps.get(name);
    if (durations === undefined) this.steps.set(name, (durations = []));
    return durations;
  }
}

/**
 * Measures whether valid clients are ever refused under load: 200 of them sign in, then repeat for half a minute: mint,
 * connect, exchange a frame, refresh their tokens, renew the socket and close it.
 */
async function measureLoad(folder: BenchFolder): Promise<boolean> {
  const engines = await startEngines(folder);
  const ports = await startNodes(folder, engines, NODES, {});
  const emails = await createAccounts(engines, CLIENTS);
  const tally = new Tally();
  // Hashing a password is slow on purpose: signing in all at once would measure nothing else.
  const signedIn = await inParallel(emails, 4, (email, index) => signInAt(ports, index, email, tally));
  const untilMs = performance.now() + DURATION_MS;
  const visits = emails.map((email, index) => visitOften(ports, email, signedIn[index], untilMs, tally));
  await Promise.all(visits);
  return report(tally);
}

async function signInAt(
  ports: readonly number[],
  turn: number,
  email: string,
  tally: Tally,
): Promise<SignIn | undefined> {
  return tally.step('sign-in', () => signIn(ports[turn % NODES] ?? 0, email)).catch(skip);
}

async function visitOften(
  ports: readonly number[],
  email: string,
  tokens: SignIn | undefined,
  untilMs: number,
  tally: Tally,
): Promise<void> {
  let own = tokens;
  await pause(Math.random() * PAUSE_MS);
  for (let round = 0; performance.now() < untilMs; round++) {
    own ??= await signInAt(ports, round, email, tally);
    // A ticket is valid on every node.
    const [mintPort = 0, port = 0] = round % 2 === 0 ? ports : ports.toReversed();
    if (own !== undefined) own = await visit(mintPort, port, own, tally);
    await pause(Math.random() * PAUSE_MS);
  }
}

/** One visit. Returns the tokens for the next one; none after a refusal. */
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
    // The refusal was counted already.
    await socket?.close().catch(skip);
    return undefined;
  }
}

function report(tally: Tally): boolean {
  for (const [name, durations] of tally.steps) say(`${name.padEnd(8)} ${spread(durations)}`);
  for (const [name, codes] of tally.failures)
    for (const [code, count] of codes) say(`refused: ${name} ${code}, ${count} times`);
  const names = new Set([...tally.steps.keys(), ...tally.failures.keys()]);
  const worst = Math.max(...[...names].map((name) => tally.refused(name)));
  const isKept = worst < MAX_FAILURES;
  say(
    `${isKept ? 'ok' : 'NOT KEPT'} - ${CLIENTS} valid clients, under ${MAX_FAILURES * 100} % of any step refused: ${(worst * 100).toFixed(3)} %`,
  );
  return isKept;
}

function skip(): undefined {
  return undefined;
}

await runBench('auth-load', 120, measureLoad);
