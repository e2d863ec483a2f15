export interface BackoffLimits {
  baseMs: number;
  maxMs: number;
}

/** Used until `ready` gives the server's value. */
export const DEFAULT_LIMITS: BackoffLimits = { baseMs: 500, maxMs: 30_000 };

/**
 * Growing waits with full jitter, and a budget of attempts.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/: after an outage, clients that all wait
 * the same time reconnect in one wave; a wait drawn from the whole range spreads them.
 */
export class Backoff {
  private attempts = 0;
  private limits = DEFAULT_LIMITS;

  constructor(
    private readonly maxAttempts: number,
    private readonly random: () => number = Math.random,
  ) {}

  setLimits(limits: BackoffLimits): void {
    this.limits = limits;
  }

  /** Milliseconds to wait before the next attempt, at least `floorMs`; `undefined` when the budget is spent. */
  next(floorMs = 0): number | undefined {
    if (this.attempts >= this.maxAttempts) return undefined;
    // 2 ** 30 exceeds any limit, and with larger exponents the products would not be exact.
    const ceiling = Math.min(this.limits.maxMs, this.limits.baseMs * 2 ** Math.min(this.attempts, 30));
    this.attempts += 1;
    return floorMs + Math.round(this.random() * ceiling);
  }

  reset(): void {
    this.attempts = 0;
  }
}
