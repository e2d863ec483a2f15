import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/waiting.js';
import { type Customer, newCustomer } from './customer.js';
import type { Fault } from './faults.js';
import { Fleet } from './fleet.js';
import { type Breach, Findings, judge } from './judge.js';
import { Random } from './random.js';

export interface CertificateOptions {
  seed: number;
  clients: number;
  nodes: number;
  faults: readonly Fault[];
  /** Milliseconds of load before each fault; the load continues during it and until every client is served again. */
  loadMs: number;
  /** Mean milliseconds between two questions of one client. */
  thinkMs: number;
  /** Share of the questions whose answer takes seconds; other answers take less than one. */
  longShare: number;
  /** Ends after the first round in which this promise is broken. */
  until?: Breach;
  serverEntry?: string;
  /** URL of a Redis that the fleet does not start itself. */
  redisUrl?: string;
  say(line: string): void;
}

export interface Round {
  fault: string;
  acknowledged: number;
  /** From the beginning of the fault to its end. */
  faultMs: number;
  /** Customers who had to sign in again, for a fault that allows that. */
  signedOut: number;
  /** From the end of the fault until every client had a later message acknowledged. */
  recoveryMs: number;
  findings: Findings;
}

export interface Certificate {
  seed: number;
  rounds: Round[];
  reloads: number;
  failedAnswers: number;
}

const RECOVERY_LIMIT_MS = 30_000;
/** Long, because the long answers of one user wait for each other. */
const QUIET_LIMIT_MS = 180_000;

/** Applies one fault after the other under load, and checks after each whether every promise was kept. */
export async function certify(options: CertificateOptions): Promise<Certificate> {
  const { nodes, serverEntry, redisUrl, seed } = options;
  const fleet = await Fleet.start({
    nodes,
    ...(serverEntry !== undefined && { serverEntry }),
    ...(redisUrl !== undefined && { redisUrl }),
  });
  const customers: Customer[] = [];
  try {
    customers.push(...(await moveIn(fleet, options.clients)));
    const random = new Random(seed);
    const rounds: Round[] = [];
    for (const fault of options.faults) {
      const round = await playRound(fleet, customers, fault, random, options);
      rounds.push(round);
      options.say(inWords(round));
      for (const one of round.findings.cases) options.say(`    ${one}`);
      if (options.until !== undefined && round.findings.counts[options.until] > 0) break;
    }
    const failed = await fleet.cluster.sql<{ count: number }>(
      "SELECT count(*)::int AS count FROM messages WHERE role = 'assistant' AND status = 'failed'",
    );
    const reloads = customers.reduce((sum, { sightings }) => sum + sightings.reloads, 0);
    return { seed, rounds, reloads, failedAnswers: failed[0]?.count ?? 0 };
  } finally {
    for (const customer of customers) customer.end();
    await fleet.stop();
  }
}

/** All accounts share one password, because hashing is not what is measured here. */
async function moveIn(fleet: Fleet, count: number): Promise<Customer[]> {
  const customers: Customer[] = [];
  for (let index = 0; index < count; index++) customers.push(await newCustomer(fleet, index));
  for (const customer of customers) customer.begin();
  await eventually(
    () => customers.every(({ isOpen, isLoaded }) => isOpen && isLoaded),
    'every client to be open',
    30_000,
  );
  return customers;
}

async function playRound(
  fleet: Fleet,
  customers: readonly Customer[],
  fault: Fault,
  random: Random,
  { loadMs, thinkMs, longShare }: CertificateOptions,
): Promise<Round> {
  const findings = new Findings();
  const before = acknowledgedBy(customers);
  const stop = new AbortController();
  // Each customer adds a listener, and more than ten would print a warning.
  setMaxListeners(0, stop.signal);
  const work = customers.map((customer) =>
    keepAsking(customer, new Random(random.between(1, 2 ** 31)), { thinkMs, longShare }, stop.signal),
  );
  await sleep(loadMs);
  await fault.prepare?.();
  const startedMs = performance.now();
  const mayEnd = await fault.strike(fleet, random, customers, findings);
  const mendedMs = performance.now();
  const recoveryMs = await recovery(customers, mendedMs, findings);
  stop.abort();
  await Promise.all(work);
  await quiet(fleet, customers, findings);
  let signedOut = 0;
  for (const customer of customers) {
    await judge(customer, fleet, findings);
    const { authErrors } = customer.sightings;
    if (fault.forgets === true) signedOut += authErrors.length;
    else for (const code of authErrors) findings.add('signedOut', code);
    authErrors.length = 0;
    for (const { node, atMs } of customer.sightings.abnormalEnds.splice(0)) {
      if (atMs < startedMs || (mayEnd !== 'every' && !mayEnd.includes(node)))
        findings.add('abnormalEnds', `a socket of ${node}`);
    }
  }
  const acknowledged = acknowledgedBy(customers) - before;
  const faultMs = mendedMs - startedMs;
  return { fault: fault.name, acknowledged, faultMs, signedOut, recoveryMs, findings };
}

async function keepAsking(
  customer: Customer,
  random: Random,
  { thinkMs, longShare }: Pick<CertificateOptions, 'thinkMs' | 'longShare'>,
  stop: AbortSignal,
): Promise<void> {
  const asked: Promise<unknown>[] = [];
  while (!stop.aborted) {
    const isLong = random.next() < longShare;
    const question = customer.ask(isLong ? random.between(600, 1000) : random.between(10, 80));
    asked.push(question);
    // Most wait for the acknowledgement; some send the next message right away.
    if (random.next() < 0.8) await question;
    await sleep(thinkMs * 2 * random.next(), undefined, { signal: stop }).catch(() => undefined);
  }
  await Promise.all(asked);
}

function acknowledgedBy(customers: readonly Customer[]): number {
  return customers.reduce(
    (sum, { sent }) => sum + sent.filter((one) => one.acknowledged !== undefined).length,
    0,
  );
}

async function recovery(
  customers: readonly Customer[],
  mendedMs: number,
  findings: Findings,
): Promise<number> {
  const servedAt = ({ sent }: Customer) =>
    sent.find(({ sentAtMs, acknowledged }) => sentAtMs >= mendedMs && acknowledged !== undefined)
      ?.acknowledged?.atMs;
  try {
    await eventually(
      () => customers.every((customer) => servedAt(customer) !== undefined),
      'everybody to be served',
      RECOVERY_LIMIT_MS,
    );
  } catch {
    for (const customer of customers) {
      if (servedAt(customer) === undefined)
        findings.add('stuck', `${customer.user.email} is not served again`);
    }
  }
  return Math.max(...customers.map((customer) => servedAt(customer) ?? Infinity)) - mendedMs;
}

/** Waits until no answer is in progress and every client has seen the last event. */
async function quiet(fleet: Fleet, customers: readonly Customer[], findings: Findings): Promise<void> {
  const open =
    "SELECT 1 FROM runs WHERE status IN ('queued', 'running') OR announce_after IS NOT NULL LIMIT 1";
  const isDone = async () => {
    if ((await fleet.cluster.sql(open)).length > 0) return false;
    return customers.every(
      ({ isOpen, messages }) => isOpen && messages.every(({ status }) => status !== 'streaming'),
    );
  };
  try {
    await eventually(isDone, 'the end of all answers', QUIET_LIMIT_MS);
  } catch {
    findings.add('stuck', 'answers do not end, or a client does not see it');
  }
}

function inWords({ fault, acknowledged, faultMs, signedOut, recoveryMs, findings }: Round): string {
  const broken = Object.entries(findings.counts).filter(([, count]) => count > 0);
  const verdict = broken.length === 0 ? 'kept' : broken.map(([name, count]) => `${count} ${name}`).join(', ');
  const again = signedOut === 0 ? '' : `, ${signedOut} signed in again`;
  return (
    `${fault.padEnd(46)} ${String(acknowledged).padStart(6)} acknowledged, mended after ${Math.round(faultMs)} ms, ` +
    `served again ${Math.round(recoveryMs)} ms later${again}: ${verdict}`
  );
}
