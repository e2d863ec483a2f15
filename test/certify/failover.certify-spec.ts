import { describe, expect, it } from '@jest/globals';
import { currentRun } from '../../scripts/testing/test-run.js';
import { type ReplicatedForm, ReplicatedRedis } from '../support/replicated-redis.js';
import { certify } from './certificate.js';
import { report, tell } from './certificate.report.js';
import { failovers } from './failover.js';

/** Settable: `SEED=7 CLIENTS=50 FAILOVERS=4 npm run certify -- failover`. */
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const CLIENTS = Number(process.env.CLIENTS ?? 200);
/** Deaths of a master in each form. In every third the last writes are lost with the master. */
const FAILOVERS = Number(process.env.FAILOVERS ?? 6);
const LIMIT_MS = 30 * 60_000;

const forms: [string, ReplicatedForm][] = [
  ['a master behind sentinels', 'sentinel'],
  ['a cluster of three masters with replicas', 'cluster'],
];

// A container publishes one port; a cluster's nodes must reach each other.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary.each(forms)('the certificate of %s', (name, form) => {
  it(
    'is granted: every promise is kept when masters die under load, one after the other',
    async () => {
      const redis = await ReplicatedRedis.start(form, { durable: true });
      try {
        const { plain, forgetful } = failovers(redis);
        tell(`\n${name}: seed ${SEED}, ${CLIENTS} clients, ${FAILOVERS} deaths of a master`);
        const certificate = await certify({
          seed: SEED,
          clients: CLIENTS,
          nodes: 3,
          redisUrl: redis.url,
          faults: Array.from({ length: FAILOVERS }, (_, index) => (index % 3 === 2 ? forgetful : plain)),
          loadMs: 2000,
          thinkMs: CLIENTS * 40,
          longShare: 0.05,
          say: tell,
        });
        report(certificate);
        expect(certificate.rounds.filter(({ findings }) => findings.total > 0)).toEqual([]);
      } finally {
        await redis.stop();
      }
    },
    LIMIT_MS,
  );
});
