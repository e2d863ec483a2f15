/** `setTimeout` counts in 32 bits: a longer time would end at once. About 25 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A page that slept runs its timers before it takes what came from the network: it needs that long to take it. */
const READ_MS = 100;

export type Timer = ReturnType<typeof setTimeout>;

export function startTimer(ms: number, act: () => void): Timer {
  return setTimeout(act, Math.min(ms, MAX_TIMER_MS));
}

/**
 * Calls `over` when the server or the network has taken longer than `limitMs`. What had arrived by then is taken first.
 * @returns stops it
 */
export function startLimit(limitMs: number, over: () => void): () => void {
  let timer = startTimer(limitMs, () => {
    timer = startTimer(READ_MS, over);
  });
  return () => clearTimeout(timer);
}
