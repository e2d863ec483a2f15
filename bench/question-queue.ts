import pg from 'pg';

/** Addresses of the engines. */
export interface QueueUrls {
  readonly postgres: string;
  readonly redis: string;
}

/** What both kinds of queues must do. */
export abstract class QuestionQueue {
  abstract readonly name: string;

  /** Stores a question durably, so that it will be answered. */
  abstract store(id: string): Promise<void>;

  /** Works on questions until the process ends: calls `begin` when one is taken; the work then takes `workMs`. */
  abstract work(begin: (id: string) => void, workMs: number): Promise<void>;

  /** How many stored questions no worker will ever take. */
  abstract countForgotten(): Promise<number>;

  abstract close(): Promise<void>;
}

/** A worker that is silent for this long loses its work; the same for both queues. */
export const LEASE_MS = 2000;
export const RENEW_MS = 700;
/** How often other workers look for such work. */
export const LOOK_MS = 325;

export function openPool(urls: QueueUrls): pg.Pool {
  return new pg.Pool({ connectionString: urls.postgres, max: 4 });
}

/** Tables of questions, and of runs with the columns of `src/chat`. */
export async function createTables(urls: QueueUrls): Promise<void> {
  const pool = openPool(urls);
  await pool.query('CREATE TABLE questions (id uuid PRIMARY KEY, content text NOT NULL)');
  await pool.query(`CREATE TABLE work (
    id uuid PRIMARY KEY REFERENCES questions (id), position bigint GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL DEFAULT 'queued', attempt int NOT NULL DEFAULT 0, lease_until timestamptz)`);
  await pool.query("CREATE INDEX work_queue ON work (position) WHERE status = 'queued'");
  await pool.query('CREATE INDEX work_leased ON work (lease_until) WHERE lease_until IS NOT NULL');
  await pool.end();
}
