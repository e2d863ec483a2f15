import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
  type CircuitBreakerPolicy,
} from 'cockatiel';
import { AppError } from '../errors/app-error.js';

export type DependencyName = 'redis' | 'postgres' | 'responder';
export type BreakerState = 'closed' | 'half_open' | 'open';

export interface DependencyOptions {
  /** Failures in a row that open the breaker. */
  failuresToOpen: number;
  /** Milliseconds until an open breaker lets one trial call through. */
  halfOpenAfterMs: number;
  /** True for an error that is the fault of the dependency, not of the call. */
  isFault(error: unknown): boolean;
}

/** Value of `chat_breaker_state` for each state. */
const GAUGE_VALUES: Record<BreakerState, number> = { closed: 0, half_open: 1, open: 2 };

/**
 * The one breaker of a dependency. While it is open, calls fail at once instead of each waiting for a time limit.
 */
export class Dependency {
  private readonly breaker: CircuitBreakerPolicy;
  private readonly listeners: ((state: BreakerState) => void)[] = [];
  private lastFault: unknown;

  constructor(
    readonly name: DependencyName,
    private readonly options: DependencyOptions,
    gauge: { set(value: number): void },
  ) {
    this.breaker = circuitBreaker(
      handleWhen((error) => options.isFault(error)),
      { halfOpenAfter: options.halfOpenAfterMs, breaker: new ConsecutiveBreaker(options.failuresToOpen) },
    );
    gauge.set(GAUGE_VALUES[this.state]);
    this.breaker.onStateChange(() => {
      gauge.set(GAUGE_VALUES[this.state]);
      for (const listener of this.listeners) listener(this.state);
    });
  }

  get state(): BreakerState {
    switch (this.breaker.state) {
      case CircuitState.Closed:
        return 'closed';
      case CircuitState.HalfOpen:
        return 'half_open';
      case CircuitState.Open:
      case CircuitState.Isolated:
        return 'open';
    }
  }

  /** What the dependency did wrong last; undefined when it never did. */
  get fault(): unknown {
    return this.lastFault;
  }

  /** Calls `listener` when the dependency goes down and when it is back; not for the tries in between. */
  onAvailabilityChange(listener: (isUp: boolean) => void): void {
    let wasUp = true;
    this.onStateChange((state) => {
      const isUp = state === 'closed';
      if (isUp === wasUp) return;
      wasUp = isUp;
      listener(isUp);
    });
  }

  onStateChange(listener: (state: BreakerState) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Runs one call to the dependency.
   * @throws {AppError} `dependency_unavailable` when the dependency is at fault or its breaker is open.
   */
  async run<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.breaker.execute(call);
    } catch (error) {
      const isBroken = error instanceof BrokenCircuitError;
      if (isBroken || this.options.isFault(error)) {
        if (!isBroken) this.lastFault = error;
        throw new AppError('dependency_unavailable', {
          detail: `${this.name} is unavailable`,
          // An open breaker calls nothing: the only known cause is what opened it.
          cause: isBroken ? this.lastFault : error,
          retryAfterMs: this.options.halfOpenAfterMs,
        });
      }
      throw error;
    }
  }
}
