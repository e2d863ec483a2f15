import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import { Dependency } from '../resilience/dependency.js';
import { SharedCall } from '../resilience/shared-call.js';
import { withinLimit } from '../resilience/time-limit.js';
import { createDataSource, type EntityClass } from './data-source.js';
import { refusalIn } from './database-refusal.js';
import { readOnly } from './postgres-session.js';
import { sqlStateOf } from './sqlstate.js';

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
  private confirmedAtMs = -Infinity;
  private readonly connecting = new SharedCall(() => this.dataSource.initialize());
  private readonly confirming = new SharedCall(() => this.confirmOnce());
  private readonly serving = new SharedCall(() => this.insertOnce());
  private isRefusing = false;
  private isLost = false;

  constructor(
    config: Config,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
    @Inject(ENTITY_CLASSES) entities: readonly EntityClass[],
  ) {
    this.dependency = new Dependency(
      'postgres',
      {
        failuresToOpen: 5,
        // Half a second after it serves again the breaker lets a call through, and the next probe finds it well.
        halfOpenAfterMs: 500,
        isFault: isPostgresFault,
      },
      metrics.breakerState.labels('postgres'),
    );
    this.dataSource = createDataSource(config.databaseUrl, entities);
    metrics.postgresUp.set(1);
    this.dependency.onAvailabilityChange((isUp) => {
      this.showUp();
      if (isUp && this.isLost) this.logger.info('postgres.connected');
      // A refusal that is logged has its own line.
      this.isLost = !isUp && refusalIn(this.dependency.fault)?.meaning.advice === undefined;
      if (this.isLost) this.logger.critical('postgres.lost', { error: reasonOf(this.dependency.fault) });
    });
  }

  /**
   * Runs one statement, or one transaction, under the breaker. After a serialization failure or a deadlock it runs once
   * more: Postgres has undone all of it.
   * @throws {AppError} `dependency_unavailable`, also when Postgres is up and refuses it.
   */
  async run<T>(call: (dataSource: DataSource) => Promise<T>): Promise<T> {
    try {
      return await this.dependency.run(async () => twice(call, await this.connected()));
    } catch (error) {
      throw this.toAppError(error);
    }
  }

  /** Runs one transaction under the breaker; it is rolled back when `work` throws. @throws {AppError} `dependency_unavailable` */
  transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.run((dataSource) => dataSource.transaction(work));
  }

  /**
   * Resolves when Postgres can be written to, or could a moment ago. Concurrent callers share one statement, so that any
   * number of them costs at most fifty statements a second.
   * @throws {AppError} `dependency_unavailable`
   */
  confirmUp(): Promise<void> {
    if (performance.now() - this.confirmedAtMs < CONFIRMATION_MS) return Promise.resolve();
    return this.confirming.ask();
  }

  /**
   * Asks Postgres for what the server needs of it: that every table is there and may be written to. Writes nothing. Callers
   * at one time share one statement.
   * @throws {AppError} `dependency_unavailable`
   */
  confirmServing(): Promise<void> {
    return this.serving.ask();
  }

  /** False while Postgres does not answer, or refuses what the server needs. Costs nothing. */
  get isUp(): boolean {
    return this.dependency.state !== 'open' && !this.isRefusing;
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private connected(): Promise<DataSource> {
    return this.dataSource.isInitialized ? Promise.resolve(this.dataSource) : this.connecting.ask();
  }

  private async confirmOnce(): Promise<void> {
    await this.run((dataSource) => withinLimit(requireWritable(dataSource), CONFIRMATION_LIMIT_MS));
    this.confirmedAtMs = performance.now();
  }

  private async insertOnce(): Promise<void> {
    try {
      await this.run((dataSource) => dataSource.query(insertNothing(dataSource)));
    } catch (error) {
      // What ends by itself, such as a lock that takes too long, is no refusal that lasts until the next look.
      if (refusalIn(error)?.meaning.advice !== undefined) this.refuse(true);
      throw error;
    }
    this.refuse(false);
  }

  /** A refusal is logged when only an operator can end it; a fault of ours stays as it is. */
  private toAppError(thrown: unknown): unknown {
    const refusal = refusalIn(thrown);
    if (refusal === undefined) return thrown;
    const { meaning, fields } = refusal;
    const traceId =
      meaning.advice === undefined
        ? undefined
        : this.refusals.write('critical', 'postgres.refused', fields.sqlstate, undefined, { ...fields });
    const cause = thrown instanceof AppError ? thrown.cause : thrown;
    return new AppError('dependency_unavailable', { detail: 'postgres is unavailable', cause, traceId });
  }

  private refuse(isRefusing: boolean): void {
    if (isRefusing === this.isRefusing) return;
    this.isRefusing = isRefusing;
    this.showUp();
    if (!isRefusing) this.logger.info('postgres.serves_again');
  }

  private showUp(): void {
    this.metrics.postgresUp.set(this.dependency.state === 'closed' && !this.isRefusing ? 1 : 0);
  }
}

async function twice<T>(call: (dataSource: DataSource) => Promise<T>, dataSource: DataSource): Promise<T> {
  try {
    return await call(dataSource);
  } catch (error) {
    if (refusalIn(error)?.meaning.isRepeatable !== true) throw error;
  }
  return call(dataSource);
}

/** A session that is open while the server becomes read-only goes on answering. */
async function requireWritable(dataSource: DataSource): Promise<void> {
  const [state] = await dataSource.query<{ transaction_read_only: string }[]>('SHOW transaction_read_only');
  if (state?.transaction_read_only === 'on') throw readOnly(false);
}

/** Fails as a write would for want of a table, a privilege or a writable server, and takes neither a row nor a number. */
function insertNothing({ entityMetadatas }: DataSource): string {
  const tables = entityMetadatas.map(({ tableName }) => `"${tableName}"`);
  const inserts = tables.map(
    (table, index) =>
      `into_${index} AS (INSERT INTO ${table} OVERRIDING USER VALUE SELECT * FROM ${table} WHERE false)`,
  );
  return `WITH ${inserts.join(', ')} SELECT 1`;
}

function isPostgresFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof AppError) return false;
  // Our own code failed, between two statements.
  if (error instanceof TypeError || error instanceof RangeError) return false;
  // Without a SQLSTATE there was no answer.
  const refusal = refusalIn(error);
  return refusal === undefined ? sqlStateOf(error) === undefined : refusal.meaning.scope === 'server';
}

function reasonOf(fault: unknown): string | undefined {
  return fault instanceof Error ? fault.message : undefined;
}
