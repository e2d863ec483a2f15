import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';
import { isStartingUp } from '../database/starting-up.js';
import { AppError } from '../errors/app-error.js';
import { toAppError } from '../errors/problem.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { RedisService } from '../redis/redis.service.js';
import { Responder } from '../responder/contract/responder.js';

const PROBE_INTERVAL_MS = 1000;

/** How a dependency is. `loading` is one that is there and cannot serve yet. */
export type DependencyState = { status: 'up'; latency_ms: number } | { status: 'down' | 'loading' };

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
    private readonly responder: Responder,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => this.probe(), PROBE_INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  askRedis(): Promise<DependencyState> {
    return stateOf(
      () => this.redis.ping(),
      () => this.redis.isLoading(),
    );
  }

  askPostgres(): Promise<DependencyState> {
    return stateOf(
      () => this.pingPostgres(),
      ({ cause }) => isStartingUp(cause),
    );
  }

  askResponder(): Promise<DependencyState> {
    return stateOf(
      () => this.responder.check(),
      () => false,
    );
  }

  private probe(): void {
    for (const ask of [() => this.redis.ping(), () => this.pingPostgres()]) {
      // The breakers' own change of state is what is logged and counted.
      background(ask().catch(ignoreUnavailable), this.logger, 'health.probe_failed');
    }
  }

  private async pingPostgres(): Promise<void> {
    await this.database.run((dataSource) => dataSource.query('SELECT 1'));
  }
}

/** Whoever asks has counted and logged the failure; here it is told. */
async function stateOf(
  ask: () => Promise<void>,
  isLoading: (failure: AppError) => boolean | Promise<boolean>,
): Promise<DependencyState> {
  const start = performance.now();
  try {
    await ask();
    return { status: 'up', latency_ms: Math.round((performance.now() - start) * 100) / 100 };
  } catch (error) {
    return { status: (await isLoading(toAppError(error))) ? 'loading' : 'down' };
  }
}

function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof AppError)) throw error;
}
