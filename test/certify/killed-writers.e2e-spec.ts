import { beforeAll, describe, expect, it } from '@jest/globals';
import { countTo, proofOf } from '../chat.support.js';
import { eventually } from '../support/waiting.js';
import type { Fleet } from './fleet.js';
import {
  askAndWatch,
  type Death,
  kill,
  killInTurn,
  newPair,
  sideBySide,
  withFleet,
  writerOf,
} from './killed-writers.js';
import { type Rows, readRows } from './judge.js';
import type { TextWatch } from './text-watch.js';

/** Determines after how many words the node of each answer is killed; printed in the test's name. */
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const SEEDS = Array.from({ length: 5 }, (_, index) => SEED + index);
const WORDS = 60;
/** Long enough not to end before its third node has died, however slowly others start. */
const MANY_WORDS = 1000;
/** A run that this many nodes did not finish is given up. */
const ATTEMPTS = 3;
const LIMIT_MS = 120_000;

/** A run whose writers died, one after the other. */
interface GivenUp {
  nodes: string[];
  watch: TextWatch;
  rows: Rows;
}

describe('an answer whose node is killed', () => {
  let deaths: Death[];
  let givenUp: GivenUp;

  beforeAll(async () => {
    // Two fleets side by side: in each one node dies at a time, and the other one takes over.
    const first = withFleet((fleet) => killInTurn(fleet, SEEDS.slice(0, 3), WORDS));
    const second = withFleet(async (fleet) => ({
      gone: await killEachWriter(fleet),
      deaths: await killInTurn(fleet, SEEDS.slice(3), WORDS),
    }));
    const [some, others] = await sideBySide([first, second] as const);
    deaths = [...some, ...others.deaths];
    givenUp = others.gone;
  }, LIMIT_MS);

  it(`at a random word continues within 3 s and ends as if no node had died, five times (SEED=${SEED})`, () => {
    expect(new Set(deaths.map(({ node }) => node)).size).toBe(SEEDS.length);
    expect(deaths.flatMap(({ seed, findings }) => findings.cases.map((what) => `${seed}: ${what}`))).toEqual(
      [],
    );
    for (const { token } of deaths) expect(token).toBeLessThan(WORDS);
  });

  it('three times is given up, and keeps what was written', () => {
    const { nodes, watch, rows } = givenUp;
    expect(new Set(nodes).size).toBe(ATTEMPTS);
    expect(watch.takeovers).toMatchObject(
      nodes.map((from_node, index) => ({ from_node, attempt: index + 2 })),
    );
    expect(watch.jumps).toEqual([]);
    expect(watch.end).toMatchObject({ finish_reason: 'error', problem: { code: 'internal' } });
    expect(rows.events.at(-1)?.type).toBe('run.failed');
    const [, kept, ...rest] = rows.messages;
    expect(rest).toEqual([]);
    expect(kept?.status).toBe('failed');
    expect(kept?.content).toBe(watch.text);
    expect(countTo(MANY_WORDS).startsWith(watch.text)).toBe(true);
    expect(watch.words).toBeGreaterThanOrEqual(ATTEMPTS);
    expect(watch.end).toMatchObject(proofOf(watch.text));
  });
});

/** Kills each node that writes the answer after it has written a word. */
async function killEachWriter(fleet: Fleet): Promise<GivenUp> {
  const pair = await newPair(fleet, 0);
  const nodes: string[] = [];
  try {
    const { runId, watches } = await askAndWatch(pair, MANY_WORDS);
    const watch = watches[0]!;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const writer = await writerOf(fleet, runId, attempt);
      await watch.holding(watch.words + 1);
      nodes.push(writer.node.name);
      await kill(writer);
      await fleet.fill(writer);
    }
    await eventually(() => watch.end, 'the end of the run');
    return { nodes, watch, rows: await readRows(pair.asker.conversationId, fleet) };
  } finally {
    for (const client of Object.values(pair)) client.end();
  }
}
