import { TimeLimit } from '../resilience/time-limit.js';

/** Longest time in which Postgres answers nobody before those who wait for a connection get 503. */
const QUIET_MS = 1000;
/** Longest wait for a connection while Postgres answers others. */
const MAX_WAIT_MS = 3000;

/** When Postgres last answered anybody of a pool: who waits for a connection meanwhile waits for a busy Postgres, or for us. */
export class Pulse {
  private lastMs = -Infinity;

  beat(): void {
    this.lastMs = performance.now();
  }

  /**
   * Calls `over` when a wait for a connection has lasted too long: a second in which Postgres answered nobody, or three.
   * @returns ends the wait
   */
  limitWait(over: () => void): () => void {
    const beganMs = performance.now();
    const wait = (limitMs: number): TimeLimit =>
      new TimeLimit(limitMs, () => {
        const dueMs = Math.min(Math.max(beganMs, this.lastMs) + QUIET_MS, beganMs + MAX_WAIT_MS);
        const leftMs = dueMs - performance.now();
        if (leftMs > 0) limit = wait(leftMs);
        else over();
      });
    let limit = wait(QUIET_MS);
    return () => limit.stop();
  }
}
