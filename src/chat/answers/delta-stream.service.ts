import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { DeltaStream } from './delta-stream.js';
import { type Delta, DeltaWriter } from './delta-writer.js';
import { RunCheckpointStore } from './run-checkpoint.store.js';
import { type RunLease, RunStopped } from '../runs/run-lease.js';
import type { ClaimedRun } from '../runs/run.store.js';

/** Wait between two attempts to reach Redis. */
const RETRY_MS = 200;

/** Creates the stream of an answer, continuing an earlier attempt. The state of one stream is in `delta-stream.ts`. */
@Injectable()
export class DeltaStreamService {
  constructor(
    private readonly checkpoints: RunCheckpointStore,
    private readonly fanOut: FanOutService,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
  ) {}

  /** @throws {RunStopped} when the lease expires before the earlier text could be read */
  async open(run: ClaimedRun, messageId: string, lease: RunLease): Promise<DeltaStream> {
    const written = run.attempt === 1 ? '' : await this.readWritten(run.id, lease);
    const checkpoint = this.checkpoints.open(run.id, written);
    return new DeltaStream(new DeltaWriter(written), lease, checkpoint, this.publisherOf(run, messageId));
  }

  close(stream: DeltaStream): void {
    background(stream.close(), this.logger, 'run.checkpoint_kept');
  }

  private publisherOf(run: ClaimedRun, messageId: string): (delta: Delta) => void {
    const { id: runId, attempt, conversationId } = run;
    const startedMs = performance.now();
    let isFirst = true;
    return (delta) => {
      if (isFirst) this.metrics.firstDelta.observe((performance.now() - startedMs) / 1000);
      isFirst = false;
      const data = { run_id: runId, message_id: messageId, ...delta };
      const frame = { type: 'message.delta' as const, conversation_id: conversationId, data };
      this.fanOut.publish(frame, { runId, attempt });
    };
  }

  /** Waits for Redis: continuing without the earlier text would contradict what clients hold. */
  private async readWritten(runId: string, lease: RunLease): Promise<string> {
    while (lease.isHeld) {
      try {
        return await this.checkpoints.read(runId);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        await sleep(RETRY_MS);
      }
    }
    throw new RunStopped('lost');
  }
}
