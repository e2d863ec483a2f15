import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RepeatingTask } from '../observability/repeating-task.js';
import { clockSkewMs, takeReading } from './redis-clock.js';
import { RedisService } from './redis.service.js';

const READ_INTERVAL_MS = 1000;
/** From this difference on somebody must look at the machine: its logs and audit rows carry wrong times. */
const SKEW_LIMIT_SECONDS = 2;
/** Below this the clock is fine again; the gap keeps a clock near the limit from logging a line each second. */
const SKEW_OVER_SECONDS = 1;

/**
 * Follows the clock of Redis, which measures the life of tickets, sessions and connections, and reports how far the
 * clock of this machine differs from it.
 */
@Injectable()
export class RedisClockService implements OnModuleInit, OnModuleDestroy {
  private readonly task: RepeatingTask;
  private hasRaised = false;

  constructor(
    private readonly redis: RedisService,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
  ) {
    this.task = new RepeatingTask(() => this.turn(), logger, 'clock.read_failed', READ_INTERVAL_MS);
    // First of all after a reconnect, which may lead to another Redis than before.
    redis.client.on('ready', () => background(this.read(), logger, 'clock.read_failed'));
  }

  onModuleInit(): void {
    this.task.start(READ_INTERVAL_MS);
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  /** How far the clock of this machine is ahead of that of Redis, in seconds; negative when it is behind. */
  get skewSeconds(): number {
    return clockSkewMs() / 1000;
  }

  /** Whether the difference is more than two seconds. */
  get isSkewed(): boolean {
    return Math.abs(this.skewSeconds) > SKEW_LIMIT_SECONDS;
  }

  private async turn(): Promise<number> {
    await this.read();
    return READ_INTERVAL_MS;
  }

  /** While Redis is down its breaker reports it, and the last reading is kept. */
  private async read(): Promise<void> {
    const askedMs = performance.now();
    try {
      const [seconds, microseconds] = await this.redis.run((redis) => redis.time());
      const takenMs = performance.now();
      const redisMs = Number(seconds) * 1000 + Number(microseconds) / 1000;
      const offsetMs = redisMs - (askedMs + takenMs) / 2;
      takeReading({ offsetMs, errorMs: (takenMs - askedMs) / 2, takenMs });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return;
    }
    this.report();
  }

  private report(): void {
    const { skewSeconds } = this;
    this.metrics.clockSkew.set(skewSeconds);
    const fields = { skew_seconds: Math.round(skewSeconds * 1000) / 1000 };
    if (this.isSkewed && !this.hasRaised) {
      this.hasRaised = true;
      this.logger.critical('clock.skewed', fields);
    } else if (this.hasRaised && Math.abs(skewSeconds) < SKEW_OVER_SECONDS) {
      this.hasRaised = false;
      this.logger.info('clock.right_again', fields);
    }
  }
}
