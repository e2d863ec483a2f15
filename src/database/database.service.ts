import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { Dependency } from '../resilience/dependency.js';
import { withinLimit } from '../resilience/time-limit.js';
import { createDataSource, type EntityClass } from './data-source.js';

/** SQLSTATE classes that say "the server cannot serve now": connection, resources, operator intervention, system. */
const UNAVAILABLE = /^(08|53|57|58)/;

/** How long an upgrade waits for Postgres to answer: together with the other checks well under 1.5 s. */
const CONFIRMATION_LIMIT_MS = 900;

/** How long an answer of Postgres counts as proof that it is up. */
const CONFIRMATION_MS = 20;

/** Token under which the entity classes of all rooms are injected. */
export const ENTITY_CLASSES = Symbol('entity classes');

/** The one data source, behind the one breaker of Postgres. */
@Injectable()
export class DatabaseService implements OnApplicationShutdown {
  readonly dependency: Dependency;
  private readonly dataSource: DataSource;
  private connecting: Promise<DataSource> | undefined;
  private confirmedAtMs = -Infinity;
  private confirming: Promise<void> | undefined;

  constructor(
    config: Config,
    private readonly logger: AppLogger,
    metrics: MetricsService,
    @Inject(ENTITY_CLASSES) entities: readonly EntityClass[],
  ) {
    this.dependency = new Dependency(
      'postgres',
      {
        failuresToOpen: 5,
        halfOpenAfterMs: 1000,
        isFault: isPostgresFault,
      },
      metrics.breakerState.labels('postgres'),
    );
    this.dataSource = createDataSource(config.databaseUrl, entities);
    metrics.postgresUp.set(1);
    this.dependency.onAvailabilityChange((isUp) => {
      metrics.postgresUp.set(isUp ? 1 : 0);
      if (isUp) this.logger.info('postgres.connected');
      else this.logger.critical('postgres.lost');
    });
  }

  /** Runs queries under the breaker. @throws {AppError} `dependency_unavailable` */
  run<T>(call: (dataSource: DataSource) => Promise<T>): Promise<T> {
    return this.dependency.run(async () => call(await this.connected()));
  }

  /** Runs one transaction under the breaker; it is rolled back when `work` throws. @throws {AppError} `dependency_unavailable` */
  transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.run((dataSource) => dataSource.transaction(work));
  }

  /**
   * Resolves when Postgres answers, or did a moment ago. Concurrent callers share one statement, so that any number of
   * them costs at most fifty statements a second.
   * @throws {AppError} `dependency_unavailable`
   */
  confirmUp(): Promise<void> {
    if (performance.now() - this.confirmedAtMs < CONFIRMATION_MS) return Promise.resolve();
    this.confirming ??= this.run((dataSource) =>
      withinLimit(dataSource.query('SELECT 1'), CONFIRMATION_LIMIT_MS),
    )
      .then(() => {
        this.confirmedAtMs = performance.now();
      })
      .finally(() => {
        this.confirming = undefined;
      });
    return this.confirming;
  }

  get isUp(): boolean {
    return this.dependency.state !== 'open';
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private connected(): Promise<DataSource> {
    if (this.dataSource.isInitialized) return Promise.resolve(this.dataSource);
    this.connecting ??= this.dataSource.initialize().finally(() => {
      this.connecting = undefined;
    });
    return this.connecting;
  }
}

function isPostgresFault(error: unknown): boolean {
  if (error instanceof AppError) return false;
  if (error instanceof QueryFailedError) {
    const { code } = error.driverError as { code?: unknown };
    // Without a SQLSTATE there was no answer: the socket broke or the time limit passed.
    return typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || UNAVAILABLE.test(code);
  }
  return error instanceof Error;
}
