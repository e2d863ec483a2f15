import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import type { FrameReply } from '../../websocket/socket/frame-reply.js';
import { RunQueueStore, type WaitingRun } from './run-queue.store.js';

const INTERVAL_MS = 500;
/** The protocol requires an update at least every 5 s. */
const REPEAT_MS = 4000;
/** A run that begins sooner does not count as waiting. */
const MIN_WAIT_MS = 200;

type Progress = Extract<FrameReply, { type: 'run.progress' }> & { conversation_id: string };

interface Told {
  position: number;
  atMs: number;
}

/**
 * Tells the sockets of this node the queue positions of their runs. Each node reads the shared queue itself, so this
 * does not depend on messages between nodes, which could be lost.
 */
@Injectable()
export class RunQueueService implements OnModuleInit, OnModuleDestroy {
  private told = new Map<string, Told>();
  private readonly task: RepeatingTask;

  constructor(
    private readonly queue: RunQueueStore,
    private readonly fanOut: FanOutService,
    private readonly metrics: MetricsService,
    logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.look(), logger, 'run.queue_look_failed', INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(INTERVAL_MS);
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  /** The `run.progress` frames for the runs that are waiting in a conversation. */
  async progressOf(conversationId: string): Promise<Progress[]> {
    return (await this.queue.waitingIn([conversationId])).map(progressOf);
  }

  private async look(): Promise<number> {
    try {
      const count = await this.queue.countWaiting();
      this.metrics.runsWaiting.set(count);
      const { watched } = this.fanOut;
      this.tell(count === 0 || watched.length === 0 ? [] : await this.queue.waitingIn(watched));
    } catch (error) {
      // While Postgres is down, its circuit breaker reports it.
      if (!(error instanceof AppError)) throw error;
    }
    return INTERVAL_MS;
  }

  private tell(waiting: readonly WaitingRun[]): void {
    const now = performance.now();
    const told = new Map<string, Told>();
    for (const run of waiting) {
      if (run.elapsedMs < MIN_WAIT_MS) continue;
      const before = this.told.get(run.runId);
      const isDue = before?.position !== run.position || now - before.atMs >= REPEAT_MS;
      if (isDue) this.fanOut.tellHere(progressOf(run));
      told.set(run.runId, isDue ? { position: run.position, atMs: now } : before);
    }
    this.told = told;
  }
}

function progressOf({ runId, conversationId, position, elapsedMs }: WaitingRun): Progress {
  const data = { run_id: runId, state: 'queued' as const, position, elapsed_ms: elapsedMs };
  return { type: 'run.progress', conversation_id: conversationId, data };
}
