import { randomUUID } from 'node:crypto';
import { BullQueue } from './bull-queue.js';
import type { QueueUrls } from './question-queue.js';
import { SkipLockedQueue } from './skip-locked-queue.js';

/** Message to the parent: a worker took a question, or is ready; a producer has stored its first one. */
export type ChildMessage = { ready: true } | { begun: string; atMs: number };

/** The queue and the task: `store` questions one after the other for ever, or work on each for this long. */
const [kind, task, postgres = '', redis = ''] = process.argv.slice(2);
const urls: QueueUrls = { postgres, redis };
const queue = kind === 'bullmq' ? new BullQueue(urls) : new SkipLockedQueue(urls);

function tell(message: ChildMessage): void {
  process.send?.(message);
}

if (task === 'store') {
  await queue.store(randomUUID());
  tell({ ready: true });
  for (;;) await queue.store(randomUUID());
} else {
  const begun = (id: string): void => tell({ begun: id, atMs: Date.now() });
  const work = queue.work(begun, Number(task));
  tell({ ready: true });
  await work;
}
