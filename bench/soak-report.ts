import { redisKeys } from '../src/redis/redis-keys.js';
import { percentile } from './figures.js';
import { type HeldState, MIB } from './held-state.js';
import type { SoakTally } from './soak-tally.js';

export interface Verdict {
  isKept: boolean;
  text: string;
}

/** Allowed growth of a node's heap in MiB: what it keeps on purpose, and what the engine's compiler keeps. */
const HEAP_GROWTH_MIB = 2;
/** The same for the whole process, which may return memory to the system late. */
const MEMORY_GROWTH_MIB = 32;
const MIN_SUCCESS = 0.95;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Keys of open sockets, sessions and unused tickets: removed with the last of them. */
const GONE_AT_ONCE = [
  redisKeys.session('', ''),
  redisKeys.connectionsOfUser(''),
  redisKeys.connectionsOfNode(''),
  redisKeys.ticket(''),
].map(prefixOf);

/** Keys of a session that was not ended: removed at its longest possible life. */
const OF_ABANDONED = [redisKeys.sessionRefresh('', ''), redisKeys.sessionOwner('')].map(prefixOf);

/** Keys that stay for a while, with their longest life. */
const LIVES_MS = new Map<string, number>(
  (
    [
      [redisKeys.sessionsOfUser(''), 12 * HOUR_MS],
      [redisKeys.sessionRefresh('', ''), 12 * HOUR_MS],
      [redisKeys.sessionOwner(''), 12 * HOUR_MS],
      [redisKeys.sessionEnd('', ''), HOUR_MS],
      [redisKeys.receipt(''), 5 * MINUTE_MS],
      [redisKeys.ticketsOfUser(''), 3 * MINUTE_MS],
      [redisKeys.limit('user', 'tickets'), MINUTE_MS],
      [redisKeys.nodes(), 5000],
      [redisKeys.runCheckpoint(''), MINUTE_MS],
      [redisKeys.userDevices(''), 90 * 24 * HOUR_MS],
      [redisKeys.limit('address', 'requests'), MINUTE_MS],
      [redisKeys.limit('address', 'upgrades'), MINUTE_MS],
      [redisKeys.limit('user', 'logins'), MINUTE_MS],
      [redisKeys.limit('user', 'messages'), MINUTE_MS],
    ] as const
  ).map(([key, lifeMs]) => [prefixOf(key), lifeMs]),
);

const CHECKPOINT = prefixOf(redisKeys.runCheckpoint(''));

/** The figures that had to return to their start, and whether they did. */
export function judgeRest(begin: HeldState, end: HeldState, tally: SoakTally): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const [name, atBegin] of begin.figures) {
    const limit = atBegin + growthOf(name);
    const atEnd = end.figures.get(name) ?? 0;
    verdicts.push({ isKept: atEnd <= limit, text: `${name}: ${show(atBegin)}, then ${show(atEnd)}` });
  }
  return [...verdicts, ...judgeKeys(begin, end, tally)];
}

function growthOf(name: string): number {
  if (name.endsWith('heap MiB')) return HEAP_GROWTH_MIB;
  return name.endsWith('memory MiB') ? MEMORY_GROWTH_MIB : 0;
}

function judgeKeys(begin: HeldState, end: HeldState, tally: SoakTally): Verdict[] {
  const verdicts: Verdict[] = [];
  const countOf = (state: HeldState, prefix: string): number => state.keys.get(prefix)?.count ?? 0;
  for (const prefix of GONE_AT_ONCE) {
    const [atBegin, atEnd] = [countOf(begin, prefix), countOf(end, prefix)];
    verdicts.push({ isKept: atEnd <= atBegin, text: `keys ${prefix}: ${atBegin}, then ${atEnd}` });
  }
  for (const prefix of OF_ABANDONED) {
    const left = countOf(end, prefix) - countOf(begin, prefix);
    // A sign-in whose answer was lost may have opened a session.
    const most = tally.abandoned + tally.refusals('sign-in');
    verdicts.push({
      isKept: left <= most,
      text: `keys ${prefix}: ${left} more, of at most ${most} sessions that nobody ended`,
    });
  }
  for (const [prefix, { count, endless, longestMs }] of end.keys) {
    if (count === 0 || GONE_AT_ONCE.includes(prefix)) continue;
    const lifeMs = lifeOf(prefix, tally);
    const isKept = lifeMs !== undefined && endless === 0 && longestMs <= lifeMs;
    const ends = endless > 0 ? `${endless} without end` : `all gone in ${Math.ceil(longestMs / 1000)} s`;
    verdicts.push({ isKept, text: `keys ${prefix}: ${count} stay, ${ends}` });
  }
  return verdicts;
}

/** An answer that ended while Redis was down leaves its text there for a day; a delivered one for a minute. */
function lifeOf(prefix: string, tally: SoakTally): number | undefined {
  if (prefix === CHECKPOINT && tally.refusals() > 0) return 24 * HOUR_MS;
  return LIVES_MS.get(prefix);
}

/** Checks of what clients may rely on. */
export function judgeClients(tally: SoakTally): Verdict[] {
  const connected = tally.success('connect');
  const authenticated = tally.success('sign-in', 'mint', 'connect', 'refresh', 'renew', 'sign-out');
  const faults = [...tally.faults].map(([what, times]) => `${what} (${times} times)`);
  return [
    { isKept: tally.abnormal === 0, text: `sockets closed with 1006: ${tally.abnormal}` },
    { isKept: connected > MIN_SUCCESS, text: `connections that succeeded: ${percent(connected)}` },
    {
      isKept: authenticated > MIN_SUCCESS,
      text: `credentials of ours that were refused: ${percent(1 - authenticated)}`,
    },
    {
      isKept: tally.overdue <= tally.refusals(),
      text: `sockets whose time was over too soon: ${tally.overdue}, of ${tally.refusals()} refusals`,
    },
    { isKept: faults.length === 0, text: `wrong answers and closes: ${faults.join('; ') || 'none'}` },
  ];
}

/** Start, peak and end of every figure and of the keys by prefix. */
export function tableOf(begin: HeldState, during: readonly HeldState[], end: HeldState): string[] {
  const row = (name: string, of: (state: HeldState) => number): string => {
    const peak = Math.max(...[begin, ...during, end].map(of));
    const cells = [of(begin), peak, of(end)].map((value) => show(value).padStart(10));
    return `${name.padEnd(28)}${cells.join('')}`;
  };
  const prefixes = new Set([begin, ...during, end].flatMap(({ keys }) => [...keys.keys()]));
  return [
    `${''.padEnd(28)}${['begin', 'peak', 'end'].map((title) => title.padStart(10)).join('')}`,
    ...[...begin.figures.keys()].map((name) => row(name, ({ figures }) => figures.get(name) ?? 0)),
    ...[...prefixes]
      .sort()
      .map((prefix) => row(`keys ${prefix}`, ({ keys }) => keys.get(prefix)?.count ?? 0)),
  ];
}

export function countsOf(tally: SoakTally): string[] {
  const list = (counts: Map<string, number>): string =>
    [...counts].map(([name, times]) => `${name} ${times}`).join(', ') || 'none';
  const lengths = [...tally.lengthsMs].map(
    ([kind, ms]) =>
      `${kind} ${(ms.reduce((sum, one) => sum + one, 0) / ms.length / 1000).toFixed(1)} s (longest ${(percentile(ms, 1) / 1000).toFixed(0)} s, ${ms.length} sockets)`,
  );
  return [
    `done: ${list(tally.done)}`,
    `refused: ${list(tally.refused)}`,
    `closed by code: ${list(tally.closes)}`,
    `mean time that a socket was open: ${lengths.join(', ')}`,
  ];
}

/** One line for a sample under load. */
export function lineOf(seconds: number, { figures }: HeldState): string {
  const values = [...figures].map(([name, value]) => `${name} ${show(value)}`);
  return `${String(seconds).padStart(4)} s  ${values.join(', ')}`;
}

/** The heap verdict cannot show smaller leaks than this. @param connections of one node */
export function heapBound(connections: number): string {
  const bytes = (HEAP_GROWTH_MIB * MIB) / connections;
  return `a heap may grow by ${HEAP_GROWTH_MIB} MiB: ${bytes.toFixed(0)} bytes for each connection that the node had`;
}

function prefixOf(key: string): string {
  return key.split(':')[0] ?? '';
}

function show(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
