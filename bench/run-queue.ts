import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { say } from '../scripts/launch-error.js';
import { findPostgres } from '../scripts/engines/postgres-binaries.js';
import { ensureDatabase } from '../scripts/engines/postgres-database.js';
import { startPostgres } from '../scripts/engines/postgres-server.js';
import { findRedis } from '../scripts/engines/redis-binaries.js';
import { startRedis } from '../scripts/engines/redis-server.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { BullQueue } from './bull-queue.js';
import { spread } from './figures.js';
import { createTables, type QuestionQueue, type QueueUrls } from './question-queue.js';
import type { ChildMessage } from './run-queue-child.js';
import { SkipLockedQueue } from './skip-locked-queue.js';

const QUESTIONS = 400;
/** Pause between two questions: a steady trickle, to measure the latency and not a backlog. */
const PAUSE_MS = 8;
const TAKEOVERS = 8;
const CRASHES = 25;
/** How long work lasts when its worker is killed. */
const LONG_WORK_MS = 30_000;
const LIMIT_MS = 15_000;

/** Child processes with one queue, and their messages. */
class Children {
  readonly begun = new Map<string, { child: ChildProcess; atMs: number }>();
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly folder: BenchFolder,
    private readonly queue: QuestionQueue,
    private readonly urls: QueueUrls,
  ) {}

  /** @param task `store`, or milliseconds of work */
  async start(task: string): Promise<ChildProcess> {
    const program = join(import.meta.dirname, 'run-queue-child.js');
    const child = fork(program, [this.queue.name, task, this.urls.postgres, this.urls.redis]);
    if (child.pid !== undefined) this.folder.ledger.record('run-queue.child', child.pid, 'SIGKILL');
    const ready = once(child, 'message');
    child.on('message', (message: ChildMessage) => {
      if ('begun' in message) this.begun.set(message.begun, { child, atMs: message.atMs });
      for (const wake of this.waiting) wake();
    });
    await ready;
    return child;
  }

  /** Resolves when a child other than `not` begins work on a question. */
  async beginOf(id: string, not?: ChildProcess): Promise<{ child: ChildProcess; atMs: number }> {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const begin = this.begun.get(id);
      if (begin !== undefined && begin.child !== not) return begin;
      if (Date.now() > deadline) throw new Error(`nobody began to work on ${id} within ${LIMIT_MS} ms`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 100);
        this.waiting.add(wake);
      });
    }
  }
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Time from before a question is stored until a worker has it. */
async function measureStart(children: Children, queue: QuestionQueue): Promise<void> {
  const workers = [await children.start('20'), await children.start('20')];
  const latencies: Promise<number>[] = [];
  for (let count = 0; count < QUESTIONS; count++) {
    const id = randomUUID();
    const storedMs = Date.now();
    await queue.store(id);
    latencies.push(children.beginOf(id).then(({ atMs }) => atMs - storedMs));
    await pause(PAUSE_MS);
  }
  say(`${queue.name.padEnd(12)} stored to begun   ${spread(await Promise.all(latencies))}`);
  for (const worker of workers) await kill(worker);
}

/** Time from the SIGKILL of a worker until the other one has its work. */
async function measureTakeover(children: Children, queue: QuestionQueue): Promise<void> {
  const workers = [await children.start(String(LONG_WORK_MS)), await children.start(String(LONG_WORK_MS))];
  const delays: number[] = [];
  for (let round = 0; round < TAKEOVERS; round++) {
    const id = randomUUID();
    await queue.store(id);
    const { child } = await children.beginOf(id);
    // At a random point between two renewals.
    await pause(700 + Math.random() * 700);
    const killedMs = Date.now();
    await kill(child);
    delays.push((await children.beginOf(id, child)).atMs - killedMs);
    workers[workers.indexOf(child)] = await children.start(String(LONG_WORK_MS));
  }
  say(`${queue.name.padEnd(12)} killed to begun   ${spread(delays)}`);
  for (const worker of workers) await kill(worker);
}

/** Kills a process that only stores questions, and counts those that no worker will take. */
async function measureCrashes(children: Children, queue: QuestionQueue): Promise<number> {
  for (let crash = 0; crash < CRASHES; crash++) {
    const producer = await children.start('store');
    await pause(Math.random() * 60);
    await kill(producer);
  }
  const forgotten = await queue.countForgotten();
  say(
    `${queue.name.padEnd(12)} ${forgotten} questions were forgotten in ${CRASHES} crashes of who stored them`,
  );
  return forgotten;
}

/** Compares a queue on Redis with rows in PostgreSQL: time until work begins or is taken over, losses in a crash. */
async function compare(folder: BenchFolder): Promise<boolean> {
  const { path, ledger } = folder;
  const password = randomBytes(12).toString('hex');
  const logs = { postgres: join(path, 'postgres.log'), redis: join(path, 'redis.log') };
  const binaries = findPostgres();
  // Flushed to disk, as in production: otherwise a commit would cost nothing.
  const postgres = await startPostgres({
    binaries,
    folder: join(path, 'postgres'),
    password,
    logFile: logs.postgres,
    ledger,
    durable: true,
  });
  const program = findRedis(folder.state);
  const redis = await startRedis({
    program,
    folder: join(path, 'redis'),
    logFile: logs.redis,
    ledger,
    durable: true,
  });
  const forgotten = new Map<string, number>();
  for (const kind of [SkipLockedQueue, BullQueue]) {
    const urls = { postgres: await ensureDatabase(postgres.url, kind.name.toLowerCase()), redis: redis.url };
    await createTables(urls);
    const queue = new kind(urls);
    const children = new Children(folder, queue, urls);
    await measureStart(children, queue);
    await measureTakeover(children, queue);
    forgotten.set(queue.name, await measureCrashes(children, queue));
    await queue.close();
  }
  return forgotten.get('skip-locked') === 0;
}

await runBench('run-queue', 180, compare);
