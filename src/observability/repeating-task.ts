import { background } from './background.js';
import type { AppLogger } from './logger.js';

/** Repeats some work: each turn begins a wait after the previous turn has ended, so no two overlap. */
export class RepeatingTask {
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  /**
   * @param work returns how many milliseconds to wait until the next turn
   * @param event under which a failed turn is logged
   * @param retryMs the wait after a failed turn
   */
  constructor(
    private readonly work: () => Promise<number>,
    private readonly logger: AppLogger,
    private readonly event: string,
    private readonly retryMs: number,
  ) {}

  start(delayMs: number): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => background(this.turn(), this.logger, this.event), delayMs);
    this.timer.unref();
  }

  /** A turn that has begun runs to its end; no other follows. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private async turn(): Promise<void> {
    let delayMs = this.retryMs;
    try {
      delayMs = await this.work();
    } finally {
      this.start(delayMs);
    }
  }
}
