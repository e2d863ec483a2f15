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

/** State of a dependency. `loading` means that it is reachable but cannot serve yet. */
export type DependencyState = { status: 'up'; latency_ms: number } | { status: 'down' | 'loading' };

/**
 * Probes Redis and Postgres once a second, so that their breakers open and close without waiting for a user's
 * request.
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
      () => this.redis.confirmUp(),
      () => this.redis.isLoading(),
    );
  }

  askPostgres(): Promise<DependencyState> {
    return stateOf(
      () => this.database.confirmServing(),
      ({ cause }) => isStartingUp(cause),
    );
  }

  askResponder(): Promise<DependencyState> {
    let isLoading = false;
    return stateOf(
      async () => {
        isLoading = (await this.responder.check()) === 'loading';
        if (isLoading) throw new AppError('dependency_unavailable');
      },
      () => isLoading,
    );
  }

  private probe(): void {
    for (const ask of [() => this.redis.confirmUp(), () => this.database.confirmServing()]) {
      // Failures are not logged here: the breakers log and count their changes of state.
      background(ask().catch(ignoreUnavailable), this.logger, 'health.probe_failed');
    }
  }
}

/** Turns the outcome of `ask` into a state. `ask` itself counts and logs failures. */
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
