import { randomBytes } from 'node:crypto';
import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { DEAD_AFTER_MS, NodeRosterStore } from './node-roster.store.js';

const BEAT_INTERVAL_MS = 1000;

/**
 * Which nodes of the cluster live. A node that is killed cannot take its connections out of the lists; whoever reads them
 * leaves out those of nodes that are not here.
 */
@Injectable()
export class NodeRosterService implements OnModuleInit, BeforeApplicationShutdown {
  /** Of this process: a node that starts again under its old name is another one. */
  readonly nodeId = randomBytes(6).toString('hex');
  private readonly task: RepeatingTask;
  private living: readonly string[] = [];
  /** Since when every beat was answered. */
  private steadySinceMs: number | undefined;

  constructor(
    private readonly store: NodeRosterStore,
    logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.beat(), logger, 'node.beat_failed', BEAT_INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(0);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.task.stop();
    await this.withoutRedis(() => this.store.leave(this.nodeId));
  }

  /**
   * The ids of the nodes that live, or `undefined` while nobody can say: after Redis was away all others look dead until
   * they had time to say that they are not.
   */
  get livingNodes(): readonly string[] | undefined {
    const isSteady =
      this.steadySinceMs !== undefined && performance.now() - this.steadySinceMs >= DEAD_AFTER_MS;
    return isSteady ? this.living : undefined;
  }

  private async beat(): Promise<number> {
    const living = await this.withoutRedis(() => this.store.beat(this.nodeId));
    if (living === undefined) this.steadySinceMs = undefined;
    else {
      this.living = living;
      this.steadySinceMs ??= performance.now();
    }
    return BEAT_INTERVAL_MS;
  }

  /** While Redis is away its breaker tells of it. */
  private async withoutRedis<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}
