import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { ErrorCode } from '../../protocol/errors.js';
import { isFailure, MIN_ATTEMPTS, objectiveOf } from './failure-objectives.js';
import { FAILURE_WINDOW_MS, FailureWindow } from './failure-window.js';
import { AppLogger } from './logger.js';

const CHECK_INTERVAL_MS = 10_000;

interface PathRate {
  window: FailureWindow;
  /** When the last alarm was logged; undefined while the rate is within its objective. */
  raisedAtMs: number | undefined;
}

/**
 * Reports when too many valid-looking attempts of one path fail, which no single refusal shows. One CRITICAL line per
 * path every five minutes while it lasts, and one line when it has ended.
 */
@Injectable()
export class FailureRateService implements OnModuleInit, OnModuleDestroy {
  private readonly paths = new Map<string, PathRate>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly logger: AppLogger) {}

  onModuleInit(): void {
    this.timer = setInterval(() => {
      for (const [path, rate] of this.paths) this.check(path, rate);
    }, CHECK_INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** @param path one of the few paths on which credentials arrive */
  accepted(path: string): void {
    this.rateOf(path).window.add(false);
  }

  /** Counts a refusal, unless a stranger could cause it: made-up credentials neither raise the rate nor hide it. */
  refused(path: string, code: ErrorCode): void {
    if (!isFailure(code)) return;
    const rate = this.rateOf(path);
    rate.window.add(true);
    if (rate.raisedAtMs === undefined) this.check(path, rate);
  }

  private check(path: string, rate: PathRate): void {
    const now = Date.now();
    // Checked once per window after a line, so that a rate near the objective logs few lines.
    if (rate.raisedAtMs !== undefined && now - rate.raisedAtMs < FAILURE_WINDOW_MS) return;
    const { attempts, failures } = rate.window.totals();
    const objective = objectiveOf(path);
    const share = attempts === 0 ? 0 : failures / attempts;
    const fields = { path, rate: Math.round(share * 10_000) / 10_000, failures, attempts, objective };
    if (attempts >= MIN_ATTEMPTS && share > objective) {
      rate.raisedAtMs = now;
      this.logger.critical('auth.failure_rate', fields);
    } else if (rate.raisedAtMs !== undefined) {
      rate.raisedAtMs = undefined;
      this.logger.info('auth.failure_rate_over', fields);
    }
  }

  private rateOf(path: string): PathRate {
    let rate = this.paths.get(path);
    if (rate === undefined) {
      rate = { window: new FailureWindow(), raisedAtMs: undefined };
      this.paths.set(path, rate);
    }
    return rate;
  }
}
