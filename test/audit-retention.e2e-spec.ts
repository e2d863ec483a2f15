import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROJECT_ROOT } from '../scripts/project.js';
import { migrate } from '../src/database/data-source.js';
import { chained, GENESIS } from '../src/audit/audit-chain.js';
import { startEngines } from './support/engines.js';
import type { Engines } from './support/engines.js';
import { startNode } from './support/node.js';
import type { TestNode } from './support/node.js';
import { eventually } from './support/waiting.js';

const OLD_ROWS = 2500;
const DAY_MS = 86_400_000;

describe('the audit log after its retention', () => {
  let engines: Engines;
  let node: TestNode;

  beforeAll(async () => {
    engines = await startEngines();
    await migrate(engines.databaseUrl);
    await writeOldRows();
    const env = {
      DATABASE_URL: engines.databaseUrl,
      REDIS_URL: engines.redisUrl,
      JWT_SECRET: randomBytes(32).toString('hex'),
      AUDIT_RETENTION_DAYS: '30',
    };
    node = await startNode({ env });
  });

  afterAll(async () => {
    await node.stop();
    await engines.stop();
  });

  /** Rows that are forty days old, and five younger ones. */
  async function writeOldRows(): Promise<void> {
    const rows = Array.from({ length: OLD_ROWS + 5 }, (_, index) => ({
      at: new Date(Date.now() - (index < OLD_ROWS ? 40 : 20) * DAY_MS),
      event: 'session.opened',
      user_id: null,
      node: 'n',
      fields: { index },
    }));
    const links = chained(GENESIS, rows).map((link) => ({ ...link, at: link.at.toISOString() }));
    await engines.sql(
      'INSERT INTO audit_log SELECT * FROM jsonb_populate_recordset(NULL::audit_log, $1::jsonb)',
      [JSON.stringify(links)],
    );
    await engines.sql('UPDATE audit_head SET id = $1, hash = $2', [links.length, links.at(-1)?.hash]);
  }

  it('has no old rows, records their removal, and can be verified', async () => {
    const count = async () =>
      Number((await engines.sql<{ n: string }>('SELECT count(*) AS n FROM audit_log'))[0]?.n);
    // The five younger rows, and one for each of the two turns of the removal.
    await eventually(async () => (await count()) === 7, 'the old rows to go', 20_000);
    const pruned = await engines.sql<{ upto: number }>(
      "SELECT (fields->>'upto')::int AS upto FROM audit_log WHERE event = 'audit.pruned' ORDER BY id",
    );
    expect(pruned).toEqual([{ upto: 2000 }, { upto: OLD_ROWS }]);
    const script = join(PROJECT_ROOT, 'dist', 'scripts', 'operations', 'audit-verify.js');
    const env = { ...process.env, DATABASE_URL: engines.databaseUrl };
    const { stdout } = await promisify(execFile)(process.execPath, [script], { env, timeout: 20_000 });
    expect(stdout).toContain(`ok, 7 rows, 1 to ${OLD_ROWS} removed by retention, newest ${OLD_ROWS + 7} `);
  });
});
