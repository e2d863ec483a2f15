import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { DurableEvent } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { RedisService } from '../../redis/redis.service.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { RunAnnouncementStore } from './run-announcement.store.js';

const CONFIRM_INTERVAL_MS = 700;
const MAX_ENDS = 100;

/** Makes sure the end of each run is published, even if the node that stored it died before publishing it. */
@Injectable()
export class RunAnnouncementService implements OnModuleInit, OnApplicationShutdown {
  private announced: string[] = [];
  private readonly task: RepeatingTask;

  constructor(
    private readonly store: RunAnnouncementStore,
    private readonly fanOut: FanOutService,
    private readonly redis: RedisService,
    logger: AppLogger,
  ) {
    const confirm = () => this.storeConfirmed();
    this.task = new RepeatingTask(confirm, logger, 'run.confirm_failed', CONFIRM_INTERVAL_MS);
  }

  onModuleInit(): void {
    this.task.start(CONFIRM_INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    this.task.stop();
  }

  /** The event that ended a run, if the given attempt ended it. */
  endOf(runId: string, attempt: number): Promise<DurableEvent[] | undefined> {
    return this.store.endOf(runId, attempt);
  }

  /** The end of this run was published. Recorded in Postgres within a second, for many runs at once. */
  confirm(runId: string): void {
    this.announced.push(runId);
  }

  /**
   * Publishes the ends of runs that their node has not confirmed, each after the whole text, since it is unknown which
   * of its pieces arrived. Clients that have everything ignore it.
   */
  async publishOverdue(): Promise<void> {
    if (!this.redis.isUp) return;
    for (const { event, text, status } of await this.store.takeUnannouncedEnds(MAX_ENDS)) {
      if (!('run_id' in event.data) || !('message_id' in event.data)) continue;
      const { run_id, message_id } = event.data;
      const data = { run_id, message_id, text, status };
      this.fanOut.publish({ type: 'message.snapshot', conversation_id: event.conversation_id, data });
      this.fanOut.publish(event);
      this.confirm(run_id);
    }
  }

  /** Without Redis it is unknown what reached the other nodes: then a sweep publishes it again. */
  private async storeConfirmed(): Promise<number> {
    const ids = this.announced;
    this.announced = [];
    try {
      if (ids.length > 0 && this.redis.isUp) await this.store.confirm(ids);
    } catch (error) {
      // While Postgres is down, its circuit breaker reports it; the sweep publishes these ends again.
      if (!(error instanceof AppError)) throw error;
    }
    return CONFIRM_INTERVAL_MS;
  }
}
