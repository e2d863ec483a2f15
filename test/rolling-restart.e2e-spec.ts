import { expect, test } from '@jest/globals';
import { rollingRestart } from '../bench/restart-run.js';
import { summaryOf } from '../bench/restart-summary.js';
import { currentRun, runLedger } from '../scripts/testing/test-run.js';
import { logFile, startEngines } from './support/engines.js';

const CLIENTS = 60;
const DRAIN_SECONDS = 4;

/** The same as `npm run bench:rolling-restart`, with fewer clients and a shorter window. */
test('rolling restart: three nodes are restarted in turn, and clients in mid-answer lose nothing', async () => {
  const { databaseUrl, redisUrl, stop } = await startEngines();
  try {
    const ledger = runLedger(currentRun().folder);
    const engines = { databaseUrl, redisUrl, ledger, logFile };
    const options = { ...engines, nodes: 3, clients: CLIENTS, drainSeconds: DRAIN_SECONDS };
    const report = await rollingRestart(options);
    const summary = summaryOf(report);
    expect(summary).toMatchObject({
      clients: CLIENTS,
      lost: 0,
      doubled: 0,
      abnormal: 0,
      signIns: 0,
      mints: 0,
      faults: [],
    });
    expect(summary.closes).toEqual({ 4103: expect.any(Number) });
    // Every client was on one of the nodes, and each node is restarted once.
    expect(summary.moves - summary.refused).toBeGreaterThanOrEqual(CLIENTS);
    expect(summary.acknowledged).toBeGreaterThan(CLIENTS);
    // A dial may be a little late, and so fall into the next second.
    expect(summary.movesPerSecond).toBeLessThanOrEqual(2 * summary.slotsPerSecond);
    for (const { code, ms } of report.ends) {
      expect(code).toBe(0);
      expect(ms).toBeLessThan(DRAIN_SECONDS * 1000 + 1000);
    }
  } finally {
    await stop();
  }
}, 120_000);
