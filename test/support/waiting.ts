import { setTimeout as sleep } from 'node:timers/promises';

/** How long a test waits for one thing unless it says otherwise. */
export const WAIT_MS = 10_000;

/** Waits for `promise`; after `limitMs` rejects with an error that names `what`. */
export async function within<T>(promise: Promise<T>, what: string, limitMs = WAIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms for ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Calls `probe` until it returns something, for facts without an event: a metric, a row, a process that has ended.
 * `probe` returns undefined or false for "not yet".
 */
export async function eventually<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  what: string,
  limitMs = WAIT_MS,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
    await sleep(25);
  }
}
