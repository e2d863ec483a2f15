import 'reflect-metadata';
import pg from 'pg';
import { say } from '../scripts/launch-error.js';
import { RunClaimStore } from '../src/chat/runs/run-claim.store.js';
import { loadConfig } from '../src/config/config.js';
import { migrate } from '../src/database/data-source.js';
import { DatabaseService } from '../src/database/database.service.js';
import { AppLogger } from '../src/observability/logger.js';
import { MetricsService } from '../src/observability/metrics.service.js';
import { RefusalLogService } from '../src/observability/refusal-log.service.js';
import { startEngines } from './bench-cluster.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { percentile } from './figures.js';

const USERS = 200;
const ROUNDS = 30;
const PLACES = 64;
/** Runs that each user has queued, all in one conversation. */
const QUEUES = [1, 10, 60, 200];
/** Most that a claim may take compared with the peer, for any length of the queues. */
const MAX_RATIO = 8;

/** The claim of a queue without users and conversations. */
const PEER = `WITH next AS (
    SELECT id FROM runs WHERE status = 'queued' ORDER BY position LIMIT $2 FOR UPDATE SKIP LOCKED
  ) UPDATE runs SET status = 'running', attempt = attempt + 1, node = $1, lease_until = now() FROM next
  WHERE runs.id = next.id RETURNING runs.id`;

async function fill(client: pg.Client, queued: number): Promise<void> {
  await client.query('TRUNCATE users CASCADE');
  await client.query(
    `INSERT INTO users (id, email, display_name, password_hash)
     SELECT gen_random_uuid(), number || '@example.test', '', '' FROM generate_series(1, $1) AS number`,
    [USERS],
  );
  await client.query(
    "INSERT INTO conversations (id, user_id, title) SELECT gen_random_uuid(), id, '' FROM users",
  );
  await client.query(
    `INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id)
     SELECT gen_random_uuid(), id, user_id, number::text, gen_random_uuid()
     FROM generate_series(1, $1) AS number, conversations ORDER BY number`,
    [queued],
  );
  await client.query('VACUUM ANALYZE runs');
}

/** The median of claims that each find the same queue. */
async function cost(client: pg.Client, claim: () => Promise<unknown>): Promise<number> {
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    await claim();
    costs.push(performance.now() - startMs);
    await client.query("UPDATE runs SET status = 'queued', place = NULL WHERE status = 'running'");
    await client.query('VACUUM runs');
  }
  return percentile(costs, 0.5);
}

/** Measures the cost of claims that are fair to users and keep conversations in order, for short and long queues. */
async function measureClaims(folder: BenchFolder): Promise<boolean> {
  const { settings, databaseUrl, redisUrl } = await startEngines(folder);
  const config = loadConfig({ ...settings, REDIS_URL: redisUrl, LOG_LEVEL: 'silent' });
  await migrate(databaseUrl);
  const logger = new AppLogger(config);
  const refusals = new RefusalLogService(logger);
  const database = new DatabaseService(config, logger, new MetricsService(), refusals, []);
  const claims = new RunClaimStore(database, config);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const ratios: number[] = [];
  for (const queued of QUEUES) {
    await fill(client, queued);
    const peerMs = await cost(client, () => client.query(PEER, [config.nodeName, PLACES]));
    const claimMs = await cost(client, () => claims.claimQueued(PLACES));
    ratios.push(claimMs / peerMs);
    say(
      `${USERS} users with ${String(queued).padStart(3)} queued runs each: a claim ${claimMs.toFixed(1)} ms, ` +
        `without regard to users ${peerMs.toFixed(1)} ms, ratio ${(claimMs / peerMs).toFixed(1)}`,
    );
  }
  await client.end();
  await database.onApplicationShutdown();
  return Math.max(...ratios) <= MAX_RATIO;
}

await runBench('run-claim', 120, measureClaims);
