/** A timer that fires later than this shows that our own event loop was busy. */
const LATE_MS = 20;
/** A limit that ended late is extended by at least this. */
const MIN_EXTRA_MS = 50;

/**
 * Calls `over` when somebody else has taken longer than a time. It judges them and not our own event loop: what had arrived
 * while the loop was busy or the process suspended is read first, and a limit that ended late because of that is extended
 * by the delay, once.
 */
export class TimeLimit {
  /** Clearing it stops the limit until it is extended; `stop` stops it in any case. */
  timer: NodeJS.Timeout;
  private isStopped = false;

  /** @param maxExtraMs longest extension */
  constructor(
    limitMs: number,
    private readonly over: () => void,
    private readonly maxExtraMs = limitMs,
  ) {
    this.timer = this.wait(limitMs, true);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private wait(ms: number, mayExtend: boolean): NodeJS.Timeout {
    const dueMs = performance.now() + ms;
    return setTimeout(() => {
      const lateMs = performance.now() - dueMs;
      // After the timers the loop reads from its sockets, and only then calls this.
      setImmediate(() => {
        if (this.isStopped) return;
        if (mayExtend && lateMs > LATE_MS)
          this.timer = this.wait(Math.min(this.maxExtraMs, Math.max(MIN_EXTRA_MS, lateMs)), false);
        else this.over();
      });
    }, ms);
  }
}

/** The outcome of `work`. @throws {Error} when it takes longer, as `TimeLimit` measures it */
export async function withinLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let limit: TimeLimit | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    limit = new TimeLimit(limitMs, () => reject(new Error(`no answer within ${limitMs} ms`)));
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    limit?.stop();
  }
}
