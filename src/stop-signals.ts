/**
 * Signals that end a process in order: SIGTERM from a supervisor, SIGINT and SIGQUIT from a keyboard, SIGHUP when the
 * terminal is closed.
 */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const;

/**
 * One stop may arrive several times: a terminal signals all its processes, npm passes on what it gets, and a shell that
 * ends adds SIGHUP.
 */
const SAME_STOP_MS = 1000;

/** Calls `stop` at the first signal, and `hurry` once, when somebody signals again a second later or more. */
export function onStopSignals(stop: (signal: string) => void, hurry: (signal: string) => void): void {
  let stoppingSinceMs: number | undefined;
  let isHurried = false;
  const onSignal = (signal: string) => {
    if (stoppingSinceMs === undefined) {
      stoppingSinceMs = performance.now();
      stop(signal);
    } else if (!isHurried && performance.now() - stoppingSinceMs > SAME_STOP_MS) {
      isHurried = true;
      hurry(signal);
    }
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
}
