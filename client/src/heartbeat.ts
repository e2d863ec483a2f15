/**
 * Notices a dead network. The server's pings are invisible to page code, so silence proves nothing by itself: a `ping`
 * frame goes out once per interval, and an interval that follows it without any frame means that nobody is there.
 */
export class Heartbeat {
  private timer: ReturnType<typeof setInterval> | undefined;
  private hasHeard = true;

  start(intervalMs: number, ping: () => void, lost: () => void): void {
    this.stop();
    this.hasHeard = true;
    this.timer = setInterval(() => {
      if (!this.hasHeard) {
        this.stop();
        lost();
        return;
      }
      this.hasHeard = false;
      ping();
    }, intervalMs);
  }

  heard(): void {
    this.hasHeard = true;
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
