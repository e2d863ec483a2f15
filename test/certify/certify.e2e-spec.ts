import { expect, it } from '@jest/globals';
import { certify } from './certificate.js';
import { FAULTS } from './faults.js';

const LIMIT_MS = 180_000;
/** Each breaks a different part; `npm run certify` applies all of them, with many more clients. */
const CHOSEN = [
  'kill -9 of a node',
  'network cut between a node and Redis',
  'Postgres killed and started again',
  'a crowd drops at once, and half come back',
];

it(
  'the service keeps every promise while nodes, networks and engines fail under load',
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
    // When a promise is broken, the lines show the details.
    expect({ seed, broken, lines: broken.length === 0 ? [] : lines }).toEqual({
      seed,
      broken: [],
      lines: [],
    });
  },
  LIMIT_MS,
);
