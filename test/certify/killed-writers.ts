import { setTimeout as sleep } from 'node:timers/promises';
import { redisKeys } from '../../src/redis/redis-keys.js';
import { proofOf } from '../chat.support.js';
import { withRedis } from '../support/redis.js';
import { eventually, within } from '../support/waiting.js';
import { Customer, newCustomer } from './customer.js';
import { type Berth, Fleet } from './fleet.js';
import { Findings, judge, type Rows } from './judge.js';
import { Random } from './random.js';
import { TextWatch } from './text-watch.js';

/** The result of one answer whose node was killed. */
export interface Death {
  seed: number;
  node: string;
  /** Words of the answer that its client held when the node was killed. */
  token: number;
  /** Whether the node's last writes reached Redis only when its successor was already writing. */
  wasLate: boolean;
  /** From the kill to the first delta of the successor, at the slower of the two clients. */
  resumedMs: number;
  /** Clients whose own socket died with the node. */
  cutOff: number;
  findings: Findings;
}

/** A client that asks, and another one of the same user that watches on the other node. */
export interface Pair {
  asker: Customer;
  reader: Customer;
}

const RESUME_LIMIT_MS = 3000;
const END_LIMIT_MS = 60_000;
/** Least number of words that are left when the node dies, so that there is something to resume. */
const MIN_LEFT_WORDS = 20;
/** How long the writes of a node are held back before it dies, so that they arrive late; and the words of that time. */
const HELD_MS = 90;
const HELD_WORDS = 8;
const NODES = 2;
/** The log of a conversation with one question whose answer had two writers. */
const STORY = ['message.created', 'message.created', 'run.started', 'run.takeover', 'run.completed'];

/**
 * For each seed one answer of `words` words whose node is killed at a word that the seed chooses. The seeds are divided
 * among `fleets` fleets of two nodes, so that this many nodes may die at a time.
 */
export async function killWriters(
  seeds: readonly number[],
  { words, fleets, say }: { words: number; fleets: number; say?: (death: Death) => void },
): Promise<Death[]> {
  const shares = Array.from({ length: fleets }, (_, share) =>
    seeds.filter((_seed, index) => index % fleets === share),
  );
  const kill = (share: number[]) => withFleet((fleet) => killInTurn(fleet, share, words, say));
  return (await sideBySide(shares.map(kill))).flat();
}

/** Like `Promise.all`, but waits for all works even when one fails. */
export async function sideBySide<T extends readonly unknown[]>(works: T) {
  await Promise.allSettled(works);
  return Promise.all(works);
}

/** Starts a fleet with the deterministic responder for `use`, and stops it afterwards. */
export async function withFleet<T>(use: (fleet: Fleet) => Promise<T>): Promise<T> {
  const fleet = await Fleet.start({ nodes: NODES, writer: 'builtin', privatePostgres: false });
  try {
    return await use(fleet);
  } finally {
    await fleet.stop();
  }
}

/** Kills the writing one of two nodes for each seed. At the end each client asks again, and no node dies. */
export async function killInTurn(
  fleet: Fleet,
  seeds: readonly number[],
  words: number,
  say: (death: Death) => void = () => undefined,
): Promise<Death[]> {
  const pairs: Pair[] = [];
  try {
    const deaths: Death[] = [];
    for (const [index, seed] of seeds.entries()) {
      const pair = await newPair(fleet, index);
      pairs.push(pair);
      // The last killed node needs no replacement.
      const isFollowed = index < seeds.length - 1;
      deaths.push(await killOnce(fleet, pair, { seed, words, isFollowed }));
    }
    await Promise.all(pairs.map(({ asker }) => askInPeace(asker, words)));
    for (const [index, { asker, reader }] of pairs.entries()) {
      const death = deaths[index]!;
      judgeLog(await judge(asker, fleet, death.findings, [reader]), death);
      say(death);
    }
    return deaths;
  } finally {
    for (const { asker, reader } of pairs) for (const client of [asker, reader]) client.end();
  }
}

export async function newPair(fleet: Fleet, index: number): Promise<Pair> {
  const asker = await newCustomer(fleet, index);
  await opened(asker);
  const reader = new Customer(asker.user, asker.conversationId, fleet, index, asker.node);
  await opened(reader);
  return { asker, reader };
}

async function opened(client: Customer): Promise<void> {
  client.begin();
  await eventually(() => client.isOpen && client.isLoaded, 'a client to be open');
}

async function killOnce(
  fleet: Fleet,
  pair: Pair,
  { seed, words, isFollowed }: { seed: number; words: number; isFollowed: boolean },
): Promise<Death> {
  const token = new Random(seed).between(1, words - MIN_LEFT_WORDS);
  const wasLate = seed % 2 === 0;
  const { runId, watches } = await askAndWatch(pair, words);
  const berth = await writerOf(fleet, runId);
  await Promise.race(watches.map((watch) => watch.holding(token)));
  if (wasLate) {
    berth.redis?.hold();
    await sleep(HELD_MS);
  }
  const held = Math.max(...watches.map((watch) => watch.words));
  const node = berth.node.name;
  const killedMs = await kill(berth);
  // Then the successor is ahead of all late writes of the dead node.
  await within(
    Promise.race(watches.map((watch) => watch.holding(held + HELD_WORDS))),
    'the successor to write',
  );
  berth.redis?.heal();
  const ended = eventually(() => watches.every(({ end }) => end), 'the end of the answer', END_LIMIT_MS);
  await Promise.all([ended, isFollowed && fleet.fill(berth)]);
  const resumedMs = Math.max(...watches.map((watch) => (watch.resumedMs ?? Infinity) - killedMs));
  const death = { seed, node, token: held, wasLate, resumedMs, cutOff: 0, findings: new Findings() };
  for (const watch of watches) judgeWatch(watch, death);
  for (const client of [pair.asker, pair.reader]) death.cutOff += judgeSocket(client, death);
  const checkpoint = await withRedis(fleet.cluster, (redis) => redis.get(redisKeys.runCheckpoint(runId)));
  if (checkpoint !== watches[0]!.text)
    death.findings.add('wrongText', `"${checkpoint}" is the text that a third writer would have found`);
  return death;
}

/** Returns the time of the kill. */
export async function kill(berth: Berth): Promise<number> {
  berth.isUp = false;
  const killedMs = performance.now();
  await berth.node.kill();
  return killedMs;
}

/** Asks the same question again while no node dies. */
async function askInPeace(asker: Customer, words: number): Promise<void> {
  const { refused } = await asker.ask(words);
  if (refused !== undefined) throw new Error(`the question was refused: ${refused}`);
  const isAnswered = () => asker.messages.length === 4 && asker.messages[3]?.status === 'complete';
  await eventually(isAnswered, 'the answer of a node that lives', END_LIMIT_MS);
}

/** Checks what one client saw of the death. */
function judgeWatch({ text, jumps, takeovers, end }: TextWatch, { node, findings, resumedMs }: Death): void {
  for (const jump of jumps) findings.add('jumps', jump);
  if (resumedMs > RESUME_LIMIT_MS) findings.add('slow', `resumed ${Math.round(resumedMs)} ms after the kill`);
  const [takeover] = takeovers;
  if (takeovers.length !== 1 || takeover?.attempt !== 2 || takeover.from_node !== node)
    findings.add('takeovers', `a client saw ${JSON.stringify(takeovers)}`);
  const { length, sha256 } = proofOf(text);
  if (end?.length !== length || end.sha256 !== sha256)
    findings.add('wrongText', `"${text}" is not what ended`);
}

/** Returns how many sockets this client lost through the death. */
function judgeSocket({ sightings }: Customer, { node, findings }: Death): number {
  const ends = sightings.abnormalEnds.splice(0);
  for (const end of ends) if (end.node !== node) findings.add('abnormalEnds', `a socket of ${end.node}`);
  for (const code of sightings.authErrors) findings.add('signedOut', code);
  return ends.length;
}

/** Checks what is stored of the death, and of the same answer without one. */
function judgeLog({ messages, events, runs }: Rows, { node, findings }: Death): void {
  const [, disturbed, , peaceful] = messages;
  if (!Buffer.from(disturbed?.content ?? '').equals(Buffer.from(peaceful?.content ?? 'none')))
    findings.add('wrongText', `"${disturbed?.content}" is "${peaceful?.content}" when nobody dies`);
  const first = events.slice(0, STORY.length);
  if (first.map(({ type }) => type).join() !== STORY.join() || events.length !== 2 * STORY.length - 1)
    findings.add('takeovers', `the log holds ${events.map(({ type }) => type).join()}`);
  const takeover = events.flatMap((event) => (event.type === 'run.takeover' ? [event.data] : []))[0];
  if (takeover?.attempt !== 2 || takeover.from_node !== node || runs.length !== 2)
    findings.add('takeovers', `the log holds ${JSON.stringify(takeover)} of ${runs.length} runs`);
}

/** Asks, and lets both clients watch the answer. */
export async function askAndWatch({ asker, reader }: Pair, words: number) {
  const watches = [asker, reader].map((client) => {
    const watch = new TextWatch();
    client.onFrame((frame) => watch.see(frame));
    return watch;
  });
  const { acknowledged, refused } = await asker.ask(words);
  if (acknowledged === undefined) throw new Error(`the question was refused: ${refused}`);
  const runId = acknowledged.run_id;
  for (const watch of watches) watch.begin(runId);
  return { runId, watches };
}

/** The place of the node that writes a run. */
export function writerOf(fleet: Fleet, runId: string, attempt = 1): Promise<Berth> {
  return eventually(async () => {
    const [row] = await fleet.cluster.sql<{ node: string }>(
      "SELECT node FROM runs WHERE id = $1 AND status = 'running' AND attempt = $2",
      [runId, attempt],
    );
    return row && fleet.berthOf(row.node);
  }, 'somebody to write the answer');
}
