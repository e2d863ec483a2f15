import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { RunAnnouncementService } from '../runs/run-announcement.service.js';
import { RunWorkerService } from './run-worker.service.js';

/**
 * With a lease of 2 s, of which up to 0.7 s have passed, a dead node's runs are taken over after 1.3 to 2.4 s. The
 * interval is random, so that the nodes do not query Postgres at the same moment.
 */
const INTERVAL_MS = 250;
const JITTER_MS = 150;

/** Finds and does the work that should have followed a commit but did not, because a process died. */
@Injectable()
export class RunSweeperService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly task: RepeatingTask;

  constructor(
    private readonly worker: RunWorkerService,
    private readonly announcements: RunAnnouncementService,
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
      await this.announcements.publishOverdue();
    } catch (error) {
      // While Postgres is down, its circuit breaker reports it.
      if (!(error instanceof AppError)) throw error;
    }
    return nextDelayMs();
  }
}

function nextDelayMs(): number {
  return INTERVAL_MS + Math.random() * JITTER_MS;
}
