import { background } from './background.js';
import type { AppLogger } from './logger.js';

/** Does some work again and again: each turn begins when its wait after the turn before is over, so no two overlap. */
export class RepeatingTask {
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  /**
   * @param work answers how many milliseconds to wait until the next turn
   * @param event under which a turn that fails is logged
   * @param retryMs the wait after such a turn
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

  /** A turn that has begun goes on to its end; none follows. */
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
