import { randomBytes } from 'node:crypto';
import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { DEAD_AFTER_MS, NodeRosterStore } from './node-roster.store.js';

const BEAT_INTERVAL_MS = 1000;

/**
 * Knows which nodes of the cluster are alive. A killed node cannot remove its connections from the lists, so readers of
 * the lists ignore connections of nodes that are not alive.
 */
@Injectable()
export class NodeRosterService implements OnModuleInit, BeforeApplicationShutdown {
  /** Identifies this process: a node that restarts under the same name gets a new id. */
  readonly nodeId = randomBytes(6).toString('hex');
  private readonly task: RepeatingTask;
  private living: readonly string[] = [];
  /** Start of the current period in which every beat succeeded. */
  private steadySinceMs: number | undefined;
  private beatAtMs = -Infinity;
  private hasBegun = false;
  private readonly returnedListeners: (() => void)[] = [];

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
   * The ids of the living nodes, or `undefined` while that is unknown: after Redis was unreachable, other nodes look
   * dead until they have had time to report, and after this node stood still it has not seen who has started since.
   */
  get livingNodes(): readonly string[] | undefined {
    const now = performance.now();
    const isSteady = this.steadySinceMs !== undefined && now - this.steadySinceMs >= DEAD_AFTER_MS;
    return isSteady && now - this.beatAtMs < DEAD_AFTER_MS ? this.living : undefined;
  }

  /** The ids of the nodes that have reported lately, read now. @throws {AppError} `dependency_unavailable` */
  readLiving(): Promise<readonly string[]> {
    return this.store.living();
  }

  /** Calls `listener` when this node reports again after the others took it for dead. */
  onReturned(listener: () => void): void {
    this.returnedListeners.push(listener);
  }

  private async beat(): Promise<number> {
    const reported = await this.withoutRedis(() => this.store.beat(this.nodeId));
    if (reported === undefined) this.steadySinceMs = undefined;
    else {
      this.living = reported.living;
      this.beatAtMs = performance.now();
      this.steadySinceMs ??= this.beatAtMs;
      if (reported.wasUnlisted && this.hasBegun) for (const tell of this.returnedListeners) tell();
      this.hasBegun = true;
    }
    return BEAT_INTERVAL_MS;
  }

  /** Ignores failures while Redis is down: its breaker logs them. */
  private async withoutRedis<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}
