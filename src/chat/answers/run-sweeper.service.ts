import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { RedisService } from '../../redis/redis.service.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { EventStore } from '../history/event.store.js';
import { RunLeaseService } from '../runs/run-lease.service.js';
import { RunWorkerService } from './run-worker.service.js';

/**
 * With a lease of 2 s, of which up to 0.7 s have passed, a dead node's runs are taken over after 1.3 to 2.4 s. Not the
 * same for all nodes, so that they do not ask Postgres in the same moment.
 */
const INTERVAL_MS = 250;
const JITTER_MS = 150;
const MAX_ENDS = 100;

/** Finds what should have happened after a commit and did not, because a process died in between. */
@Injectable()
export class RunSweeperService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly task: RepeatingTask;

  constructor(
    private readonly worker: RunWorkerService,
    private readonly events: EventStore,
    private readonly leases: RunLeaseService,
    private readonly fanOut: FanOutService,
    private readonly redis: RedisService,
    logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.sweep(), logger, 'run.sweep_failed', INTERVAL_MS);
  }

  onApplicationBootstrap(): void {
    this.task.start(nextDelayMs());
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  private async sweep(): Promise<number> {
    try {
      this.worker.claimAbandonedAndQueued();
      await this.announceEnds();
    } catch (error) {
      // While Postgres is away its breaker tells of it.
      if (!(error instanceof AppError)) throw error;
    }
    return nextDelayMs();
  }

  /**
   * Publishes the ends of runs whose node has not confirmed that it did, and before each the whole text, since nobody
   * can say which of its pieces arrived. To those who have it all it changes nothing.
   */
  private async announceEnds(): Promise<void> {
    if (!this.redis.isUp) return;
    for (const { event, text, status } of await this.events.takeUnannouncedEnds(MAX_ENDS)) {
      if (!('run_id' in event.data) || !('message_id' in event.data)) continue;
      const { run_id, message_id } = event.data;
      const data = { run_id, message_id, text, status };
      this.fanOut.publish({ type: 'message.snapshot', conversation_id: event.conversation_id, data });
      this.fanOut.publish(event);
      this.leases.confirmAnnounced(run_id);
    }
  }
}

function nextDelayMs(): number {
  return INTERVAL_MS + Math.random() * JITTER_MS;
}
