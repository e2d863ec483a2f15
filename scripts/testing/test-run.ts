import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineProcess } from '../engines/engine-process.js';
import { findPostgres } from '../engines/postgres-binaries.js';
import type { PostgresBinaries } from '../engines/postgres-binaries.js';
import { startPostgres } from '../engines/postgres-server.js';
import { ProcessLedger } from '../process-ledger.js';
import { findRedis } from '../engines/redis-binaries.js';
import type { RedisProgram } from '../engines/redis-binaries.js';
import type { StateFolder } from '../state-folder.js';

/** What every test file of a run needs to know; passed as a file, because Jest's workers are processes. */
export interface RunFacts {
  /** Folder of the logs, the ledger and the list of secrets. Kept after the run. */
  folder: string;
  /** Folder of the data; removed with the run. */
  data: string;
  postgresUrl: string;
  postgres: PostgresBinaries;
  redis: RedisProgram;
  /** Default engine of a test file. */
  redisForm: RedisForm;
}

export type RedisForm = 'single' | 'cluster';

/** Environment variable with the path of the file that describes the run. */
export const RUN_VARIABLE = 'ADMIT_ONE_TEST_RUN';

/** Environment variable with the folder for the coverage of the nodes; see `coverage.ts`. */
export const COVERAGE_VARIABLE = 'ADMIT_ONE_TEST_COVERAGE';

const KEPT_RUNS = 5;
const LEDGER = 'processes.jsonl';
const RUNNER_LEDGER = 'runner.jsonl';

/** One run of the suites: a folder for its logs, the shared Postgres, and everything that must end with it. */
export class TestRun {
  readonly folder: string;
  readonly ledger: ProcessLedger;
  readonly factsFile: string;
  private readonly data: string;
  private postgres: EngineProcess | undefined;

  constructor(
    private readonly state: StateFolder,
    private readonly redisForm: RedisForm,
  ) {
    const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-${process.pid}`;
    this.folder = state.in('test-logs', name);
    this.data = state.in('test-data', name);
    mkdirSync(this.folder, { recursive: true });
    mkdirSync(this.data, { recursive: true });
    this.ledger = runLedger(this.folder);
    new ProcessLedger(join(this.folder, RUNNER_LEDGER)).record('runner', process.pid, 'SIGTERM');
    this.factsFile = join(this.folder, 'run.json');
  }

  async start(): Promise<void> {
    const { folder, data, ledger } = this;
    const binaries = findPostgres();
    const redis = findRedis(this.state);
    this.postgres = await startPostgres({
      binaries,
      folder: join(data, 'postgres'),
      password: randomBytes(12).toString('hex'),
      logFile: join(folder, 'postgres.log'),
      ledger,
      durable: false,
    });
    const { url: postgresUrl } = this.postgres;
    const facts: RunFacts = {
      folder,
      data,
      postgresUrl,
      postgres: binaries,
      redis,
      redisForm: this.redisForm,
    };
    writeFileSync(this.factsFile, JSON.stringify(facts), { mode: 0o600 });
  }

  /** Ends the shared engine, then whatever a test file left running. Returns the names of what was left. */
  async end(): Promise<string[]> {
    await this.postgres?.stop();
    const left = await this.ledger.endAll(10_000);
    rmSync(this.data, { recursive: true, force: true });
    return left.map((entry) => `${entry.name} (pid ${entry.pid})`);
  }
}

/** Ends what killed runs left running, and removes the logs of old runs. Runs in progress are left alone. */
export async function clearEarlierRuns(state: StateFolder): Promise<void> {
  const logs = state.in('test-logs');
  if (!existsSync(logs)) return;
  const names = readdirSync(logs).sort();
  const ended = names.filter(
    (name) => new ProcessLedger(join(logs, name, RUNNER_LEDGER)).living().length === 0,
  );
  for (const name of ended) {
    await runLedger(join(logs, name)).endAll(10_000);
    rmSync(state.in('test-data', name), { recursive: true, force: true });
  }
  for (const name of ended.slice(0, -KEPT_RUNS)) rmSync(join(logs, name), { recursive: true, force: true });
}

export function runLedger(folder: string): ProcessLedger {
  return new ProcessLedger(join(folder, LEDGER));
}

/** False in the unit suite, which has no engines and no servers. */
export function hasRun(): boolean {
  const file = process.env[RUN_VARIABLE];
  return file !== undefined && existsSync(file);
}

/** The run that this process belongs to. */
export function currentRun(): RunFacts {
  const file = process.env[RUN_VARIABLE];
  if (file === undefined) {
    throw new Error('These suites need the engines of a test run: use npm run test:only -- e2e <pattern>.');
  }
  return JSON.parse(readFileSync(file, 'utf8')) as RunFacts;
}
