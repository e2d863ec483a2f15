import { setTimeout as sleep } from 'node:timers/promises';

/** How long a test waits for one thing unless it says otherwise. */
export const WAIT_MS = 10_000;

/** Rejects with what was waited for when `promise` takes longer than `limitMs`. */
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
 * Asks until there is an answer, for facts that announce themselves to nobody: a metric, a row, a process that is gone.
 * `probe` answers undefined or false for "not yet".
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
