import { expect, it } from '@jest/globals';
import { tell } from './certificate.report.js';
import { type Death, killWriters } from './killed-writers.js';

/** Settable: `SEED=7 KILLS=10 npm run certify -- kills`. Seeds are counted from the first one on. */
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const KILLS = Number(process.env.KILLS ?? 50);
const WORDS = 300;
/** This many nodes may die at a time. */
const FLEETS = 2;
const LIMIT_MS = 60 * 60_000;

function inWords({ seed, node, token, wasLate, resumedMs, cutOff, findings }: Death): string {
  const late = wasLate ? ', its last words to Redis came late' : '';
  const verdict = findings.total === 0 ? 'kept' : findings.cases.join('; ');
  return (
    `seed ${seed}: ${node} killed at word ${token} of ${WORDS}${late}; ${cutOff} of 2 clients lost their socket, ` +
    `both read on after ${Math.round(resumedMs)} ms: ${verdict}`
  );
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? NaN);
}

it(
  `an answer survives the death of its node at any of its words, ${KILLS} times`,
  async () => {
    tell(`\nseeds ${SEED} to ${SEED + KILLS - 1}, answers of ${WORDS} words`);
    const seeds = Array.from({ length: KILLS }, (_, index) => SEED + index);
    const say = (death: Death) => tell(inWords(death));
    const deaths = await killWriters(seeds, { words: WORDS, fleets: FLEETS, say });
    const resumed = deaths.map(({ resumedMs }) => resumedMs);
    const tokens = deaths.map(({ token }) => token);
    tell(
      `${deaths.length} answers, ${new Set(deaths.map(({ node }) => node)).size} nodes killed, at words ` +
        `${Math.min(...tokens)} to ${Math.max(...tokens)}; read on after ${quantile(resumed, 0.5)} ms (median), ` +
        `${quantile(resumed, 1)} ms (longest); ${deaths.filter(({ wasLate }) => wasLate).length} with late words to Redis, ` +
        `${deaths.reduce((sum, { cutOff }) => sum + cutOff, 0)} of ${2 * deaths.length} clients lost their socket`,
    );
    expect(deaths.filter(({ findings }) => findings.total > 0)).toEqual([]);
  },
  LIMIT_MS,
);
