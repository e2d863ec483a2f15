import { describe, expect, it } from '@jest/globals';
import { currentRun } from '../../scripts/testing/test-run.js';
import { type CertificateOptions, certify } from './certificate.js';
import { report, tell } from './certificate.report.js';
import { type Fault, FAULTS } from './faults.js';
import { PLANTED_FAULTS, type PlantedFault, plantedServer } from './planted-faults.js';
import { Random } from './random.js';

/** Settable: `SEED=7 CLIENTS=50 ROUNDS=20 npm run certify`. */
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const CLIENTS = Number(process.env.CLIENTS ?? 200);
/** Random rounds after the first ones, in which each fault occurs once. */
const MORE_ROUNDS = Number(process.env.ROUNDS ?? 50);
const LIMIT_MS = 100 * 60_000;
/** Enough rounds for a planted fault to show. */
const PLANTED_ROUNDS = 6;
const PLANTED_CLIENTS = 16;

const shared = { nodes: 3, loadMs: 2000, say: tell } satisfies Partial<CertificateOptions>;

describe('the certificate', () => {
  it(
    'is granted: every promise is kept under each fault, and under a random schedule of them',
    async () => {
      const random = new Random(SEED);
      const schedule = Array.from({ length: MORE_ROUNDS }, () => random.pick(FAULTS));
      tell(`\nseed ${SEED}, ${CLIENTS} clients, ${FAULTS.length + MORE_ROUNDS} rounds`);
      const certificate = await certify({
        ...shared,
        seed: SEED,
        clients: CLIENTS,
        faults: [...FAULTS, ...schedule],
        thinkMs: CLIENTS * 40,
        longShare: 0.05,
      });
      report(certificate);
      expect(certificate.rounds.filter(({ findings }) => findings.total > 0)).toEqual([]);
    },
    LIMIT_MS,
  );

  it.each(Object.keys(PLANTED_FAULTS) as PlantedFault[])(
    'is refused to a server with the fault "%s"',
    async (fault) => {
      const { breaks } = PLANTED_FAULTS[fault];
      const server = plantedServer(fault, currentRun().data);
      try {
        tell(`\nplanted: ${fault}`);
        const certificate = await certify({
          ...shared,
          seed: SEED,
          clients: PLANTED_CLIENTS,
          faults: Array.from({ length: PLANTED_ROUNDS }, () => showing(fault)),
          thinkMs: 500,
          longShare: fault === 'skip-fence' ? 0.5 : 0,
          until: breaks,
          serverEntry: server.entry,
        });
        report(certificate);
        expect(certificate.rounds.some(({ findings }) => findings.counts[breaks] > 0)).toBe(true);
      } finally {
        server.remove();
      }
    },
    LIMIT_MS,
  );
});

/** The fault in the environment that makes the planted fault show. */
function showing(planted: PlantedFault): Fault {
  const wanted: Record<PlantedFault, string> = {
    'drop-event': 'network cut between clients and nodes',
    'acknowledge-early': 'network cut between clients and nodes',
    'skip-fence': 'a node frozen for 5 s',
    'refuse-crowd': 'a crowd drops at once, and half come back',
  };
  const fault = FAULTS.find(({ name }) => name === wanted[planted]);
  if (fault === undefined) throw new Error(`there is no fault "${wanted[planted]}"`);
  return fault;
}
