import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';
import { AppError } from '../errors/app-error.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { RedisService } from '../redis/redis.service.js';

const PROBE_INTERVAL_MS = 1000;

/**
 * Asks Redis and Postgres once a second, so that a dependency that hangs opens its breaker, and one that is back
 * closes it, without a user's request having to find out.
 */
@Injectable()
export class DependencyProbeService implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: RedisService,
    private readonly database: DatabaseService,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => this.probe(), PROBE_INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private probe(): void {
    for (const ask of [() => this.pingRedis(), () => this.pingPostgres()]) {
      // The breakers' own change of state is what is logged and counted.
      background(ask().catch(ignoreUnavailable), this.logger, 'health.probe_failed');
    }
  }

  /** @returns milliseconds. @throws {AppError} `dependency_unavailable` */
  async pingRedis(): Promise<number> {
    const start = performance.now();
    await this.redis.ping();
    return performance.now() - start;
  }

  /** @returns milliseconds. @throws {AppError} `dependency_unavailable` */
  async pingPostgres(): Promise<number> {
    const start = performance.now();
    await this.database.run((dataSource) => dataSource.query('SELECT 1'));
    return performance.now() - start;
  }
}

function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof AppError)) throw error;
}
