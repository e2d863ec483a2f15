import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { RepeatingTask } from '../../observability/repeating-task.js';
import { RunLease } from './run-lease.js';
import { RunSignalService } from './run-signal.service.js';
import { type ClaimedRun, RunStore } from './run.store.js';

const RENEW_INTERVAL_MS = 700;
const RETRY_INTERVAL_MS = 100;

/**
 * Creates the leases of this node, renews all of them in one statement, and gives each its result. The state of one
 * lease is in `run-lease.ts`.
 */
@Injectable()
export class RunLeaseService implements OnModuleInit, OnApplicationShutdown {
  private readonly held = new Map<string, RunLease>();
  private readonly task: RepeatingTask;

  constructor(
    private readonly runs: RunStore,
    signals: RunSignalService,
    private readonly logger: AppLogger,
  ) {
    this.task = new RepeatingTask(() => this.tick(), logger, 'run.renew_failed', RENEW_INTERVAL_MS);
    signals.whenCancelled((runId) => this.cancel(runId));
  }

  onModuleInit(): void {
    this.task.start(RENEW_INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    this.task.stop();
  }

  hold(run: ClaimedRun, claimedMs: number): RunLease {
    const lease = new RunLease(run, claimedMs);
    this.held.set(run.id, lease);
    if (run.isCancelRequested) lease.stop('cancelled');
    return lease;
  }

  drop(lease: RunLease): void {
    if (this.held.get(lease.id) === lease) this.held.delete(lease.id);
  }

  /** Stops a run if this node writes it. */
  cancel(runId: string): void {
    this.held.get(runId)?.stop('cancelled');
  }

  /** Stops all runs of this node and lets other nodes take them at once. */
  async handOver(): Promise<void> {
    const leases = [...this.held.values()];
    if (leases.length === 0) return;
    for (const lease of leases) lease.stop('handed_over');
    await this.runs.release(leases);
  }

  private async tick(): Promise<number> {
    try {
      await this.renew();
      return RENEW_INTERVAL_MS;
    } catch (error) {
      // While Postgres is down, its circuit breaker reports it; leases that expire meanwhile stop their runs.
      if (!(error instanceof AppError)) throw error;
      this.stopExpired();
      return RETRY_INTERVAL_MS;
    }
  }

  private async renew(): Promise<void> {
    const leases = [...this.held.values()];
    if (leases.length === 0) return;
    const askedMs = performance.now();
    const renewed = await this.runs.renew(leases);
    for (const lease of leases) {
      const state = renewed.get(lease.id);
      if (state === undefined) {
        lease.stop('lost');
      } else {
        lease.renewed(askedMs);
        if (state.isCancelRequested) lease.stop('cancelled');
      }
    }
  }

  private stopExpired(): void {
    for (const lease of this.held.values()) {
      if (!lease.isHeld) this.logger.warn('run.lease_expired', { run_id: lease.id, attempt: lease.attempt });
    }
  }
}
