import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Comparison } from '../bench/costs/comparison.js';
import { CONTENDERS, type Ground } from '../bench/costs/contender.js';
import { modelUrlOf, startModel } from '../bench/costs/cost-run.js';
import { signInAll } from '../bench/costs/crowd-of-users.js';
import { Findings } from '../bench/costs/findings.js';
import { connect } from '../bench/costs/measures/connect.js';
import { delivery } from '../bench/costs/measures/delivery.js';
import { ONE_NODE } from '../bench/costs/measures/measure.js';
import { refusal } from '../bench/costs/measures/refusal.js';
import { requireAccounting } from '../bench/costs/process-cost.js';
import { QUICK } from '../bench/costs/sizes.js';
import type { ServerProcess } from '../scripts/server-process.js';
import { runLedger, currentRun } from '../scripts/testing/test-run.js';
import { type Engines, logFile, startEngines } from './support/engines.js';

const SIZES = { ...QUICK, repeats: 0, connects: 4, refusals: 4, watchers: 4, watchedTokens: 3 };
const ROWS = ['connect', 'close', 'refusal', 'delivery-one', 'delivery-four'] as const;

let engines: Engines;
let model: ServerProcess;
let ground: Ground;

beforeAll(async () => {
  requireAccounting();
  engines = await startEngines({ redisForm: 'single' });
  const folder = { path: join(logFile('bench'), '..'), ledger: runLedger(currentRun().folder) };
  const settings = { DATABASE_URL: engines.databaseUrl, JWT_SECRET: randomBytes(32).toString('hex') };
  const { databaseUrl, redisUrl } = engines;
  model = await startModel(folder);
  ground = {
    folder,
    engines: { settings, databaseUrl, redisUrl },
    cores: undefined,
    modelUrl: modelUrlOf(model.port),
  };
});

afterAll(async () => {
  await model?.child.stop();
  await engines?.stop();
});

/** The same as `npm run bench`, with few clients. */
describe('npm run bench', () => {
  it('takes the product, the limit and Socket.IO through the same steps', async () => {
    const accounts = await signInAll(ground, 2);
    const findings = new Findings();
    const comparison = new Comparison(ground, ONE_NODE, accounts, SIZES, findings);
    for (const measure of [connect, refusal, delivery]) await comparison.run(measure);
    await comparison.end();
    expect(findings.faults).toEqual([]);
    for (const row of ROWS) {
      for (const name of CONTENDERS) expect(findings.median(row, name)).toBeGreaterThan(0);
    }
  });
});
