import { expect, it } from '@jest/globals';
import { certify } from './certificate.js';
import { FAULTS } from './faults.js';

const LIMIT_MS = 180_000;
/** Each breaks something else; `npm run certify` has all of them, and many more clients. */
const CHOSEN = [
  'kill -9 of a node',
  'network cut between a node and Redis',
  'Postgres killed and started again',
];

it(
  'keeps every promise while nodes, networks and engines die under load',
  async () => {
    const lines: string[] = [];
    const { seed, rounds } = await certify({
      seed: Number(process.env.SEED ?? Date.now() % 100_000),
      clients: 20,
      nodes: 3,
      faults: FAULTS.filter(({ name }) => CHOSEN.includes(name)),
      loadMs: 1000,
      thinkMs: 600,
      longShare: 0,
      say: (line) => void lines.push(line),
    });
    expect(rounds).toHaveLength(CHOSEN.length);
    const broken = rounds.filter(({ findings }) => findings.total > 0).map(({ fault }) => fault);
    // The lines say what was found, should something have been.
    expect({ seed, broken, lines: broken.length === 0 ? [] : lines }).toEqual({
      seed,
      broken: [],
      lines: [],
    });
  },
  LIMIT_MS,
);
