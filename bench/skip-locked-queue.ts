import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { LEASE_MS, LOOK_MS, openPool, QuestionQueue, type QueueUrls, RENEW_MS } from './question-queue.js';

const CHANNEL = 'question:queued';
const PLACES = 16;
const LEASE = `now() + interval '${LEASE_MS} milliseconds'`;

/** Rows in PostgreSQL that workers claim, as in `src/chat`: a publish wakes them, polling covers lost messages. */
export class SkipLockedQueue extends QuestionQueue {
  override readonly name = 'skip-locked';
  private readonly pool: pg.Pool;
  private readonly redis: Redis;
  private readonly held = new Map<string, number>();

  constructor(private readonly urls: QueueUrls) {
    super();
    this.pool = openPool(urls);
    this.redis = new Redis(urls.redis);
  }

  override async store(id: string): Promise<void> {
    await this.pool.query(
      `WITH question AS (INSERT INTO questions (id, content) VALUES ($1, 'How are you?'))
       INSERT INTO work (id) VALUES ($1)`,
      [id],
    );
    await this.redis.publish(CHANNEL, id);
  }

  override async work(begin: (id: string) => void, workMs: number): Promise<void> {
    let wake = (): void => undefined;
    const subscriber = new Redis(this.urls.redis);
    subscriber.on('message', () => wake());
    await subscriber.subscribe(CHANNEL);
    setInterval(() => void this.renew(), RENEW_MS);
    for (;;) {
      // Created before the query, so that no message in between is missed.
      const woken = new Promise<void>((resolve) => (wake = resolve));
      for (const id of await this.claim()) {
        begin(id);
        void this.finish(id, workMs);
      }
      await Promise.race([woken, pause(LOOK_MS)]);
    }
  }

  override async countForgotten(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      'SELECT count(*)::int FROM questions WHERE NOT EXISTS (SELECT 1 FROM work WHERE work.id = questions.id)',
    );
    return rows[0]?.count ?? 0;
  }

  override async close(): Promise<void> {
    this.redis.disconnect();
    await this.pool.end();
  }

  private async claim(): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string; attempt: number }>(
      `WITH next AS (
         SELECT id FROM work WHERE status = 'queued' OR (status = 'running' AND lease_until < now())
         ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED
       ) UPDATE work SET status = 'running', attempt = attempt + 1, lease_until = ${LEASE}
       FROM next WHERE work.id = next.id RETURNING work.id, work.attempt`,
      [PLACES - this.held.size],
    );
    for (const { id, attempt } of rows) this.held.set(id, attempt);
    return rows.map(({ id }) => id);
  }

  private async finish(id: string, workMs: number): Promise<void> {
    await pause(workMs);
    const attempt = this.held.get(id);
    this.held.delete(id);
    await this.pool.query(
      "UPDATE work SET status = 'done', lease_until = NULL WHERE id = $1 AND attempt = $2",
      [id, attempt],
    );
  }

  private async renew(): Promise<void> {
    await this.pool.query(`UPDATE work SET lease_until = ${LEASE} WHERE id = ANY($1::uuid[])`, [
      [...this.held.keys()],
    ]);
  }
}
