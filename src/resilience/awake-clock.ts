/** More than any wait between two looks at the clock: our own event loop was busy, or the process was suspended. */
const MAX_STEP_MS = 3000;

/**
 * Milliseconds in which our event loop was running, for limits that are checked again and again and that judge somebody
 * else: while it stood still, it read nothing of what they sent. It must be read about once a second.
 */
export class AwakeClock {
  private seenMs = performance.now();
  /** Not from 0, so that no time is 0. */
  private awakeMs = this.seenMs;

  read(): number {
    const now = performance.now();
    this.awakeMs += Math.min(now - this.seenMs, MAX_STEP_MS);
    this.seenMs = now;
    return this.awakeMs;
  }
}
