import { startLimit, startTimer, type Timer } from './time-limit.js';

/**
 * Notices a dead network. The server's pings are invisible to page code, so silence proves nothing by itself: a `ping`
 * frame is sent once per interval, and no frame within the time limit after it means that the connection is dead.
 */
export class Heartbeat {
  private timer: Timer | undefined;
  /** Set from a ping until something is heard. */
  private stopWaiting: (() => void) | undefined;

  start(times: { interval_ms: number; timeout_ms: number }, ping: () => void, lost: () => void): void {
    this.stop();
    const beat = () => {
      this.timer = startTimer(times.interval_ms, beat);
      if (this.stopWaiting !== undefined) return;
      ping();
      this.stopWaiting = startLimit(times.timeout_ms, () => {
        this.stop();
        lost();
      });
    };
    this.timer = startTimer(times.interval_ms, beat);
  }

  heard(): void {
    this.stopWaiting?.();
    this.stopWaiting = undefined;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.heard();
  }
}
