import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { ConversationStore } from '../history/conversation.store.js';

/** Once per heartbeat, finds subscribed conversations that were deleted: the message about it may have been lost. */
@Injectable()
export class DeletionCheckService implements OnModuleInit, OnModuleDestroy {
  private readonly intervalMs: number;
  private readonly task: RepeatingTask;

  constructor(
    config: Config,
    private readonly conversations: ConversationStore,
    private readonly fanOut: FanOutService,
    logger: AppLogger,
  ) {
    this.intervalMs = config.heartbeatSeconds * 1000;
    this.task = new RepeatingTask(() => this.check(), logger, 'fanout.check_failed', this.intervalMs);
  }

  onModuleInit(): void {
    this.task.start(this.intervalMs);
  }

  onModuleDestroy(): void {
    this.task.stop();
  }

  private async check(): Promise<number> {
    try {
      for (const id of await this.conversations.missingOf(this.fanOut.watched)) this.fanOut.closeHere(id);
    } catch (error) {
      // While Postgres is down, its circuit breaker reports it.
      if (!(error instanceof AppError)) throw error;
    }
    return this.intervalMs;
  }
}
