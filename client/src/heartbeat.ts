/**
 * Notices a dead network. The server's pings are invisible to page code, so silence proves nothing by itself: a `ping`
 * frame is sent once per interval, and no frame within the next interval means that the connection is dead.
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
