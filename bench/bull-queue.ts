import { setTimeout as pause } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { LEASE_MS, LOOK_MS, openPool, QuestionQueue, type QueueUrls, RENEW_MS } from './question-queue.js';

const QUEUE = 'questions';

/** A queue on Redis. The question is stored first, so that no job exists before its question. */
export class BullQueue extends QuestionQueue {
  override readonly name = 'bullmq';
  private readonly pool: pg.Pool;
  private readonly redis: Redis;
  private readonly queue: Queue;

  constructor(private readonly urls: QueueUrls) {
    super();
    this.pool = openPool(urls);
    this.redis = new Redis(urls.redis, { maxRetriesPerRequest: null });
    this.queue = new Queue(QUEUE, { connection: this.redis });
  }

  override async store(id: string): Promise<void> {
    await this.pool.query("INSERT INTO questions (id, content) VALUES ($1, 'How are you?')", [id]);
    await this.queue.add('answer', { id }, { jobId: id });
  }

  override async work(begin: (id: string) => void, workMs: number): Promise<void> {
    const worker = new Worker(
      QUEUE,
      async (job) => {
        begin((job.data as { id: string }).id);
        await pause(workMs);
      },
      {
        connection: new Redis(this.urls.redis, { maxRetriesPerRequest: null }),
        concurrency: 16,
        lockDuration: LEASE_MS,
        lockRenewTime: RENEW_MS,
        stalledInterval: LOOK_MS,
        maxStalledCount: 3,
      },
    );
    await worker.waitUntilReady();
  }

  override async countForgotten(): Promise<number> {
    const { rows } = await this.pool.query<{ id: string }>('SELECT id FROM questions');
    const jobs = await Promise.all(rows.map(({ id }) => this.queue.getJob(id)));
    return jobs.filter((job) => job === undefined).length;
  }

  override async close(): Promise<void> {
    await this.queue.close();
    this.redis.disconnect();
    await this.pool.end();
  }
}
