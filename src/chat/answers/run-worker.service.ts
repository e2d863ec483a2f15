import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { RunClaimStore } from '../runs/run-claim.store.js';
import { RunLeaseService } from '../runs/run-lease.service.js';
import { RunReportService } from '../runs/run-report.service.js';
import { RunSignalService } from '../runs/run-signal.service.js';
import { RunExecutorService } from './run-executor.service.js';
import { type RunLease, RunStopped } from '../runs/run-lease.js';
import type { ClaimedRun } from '../runs/run.store.js';

/** Answers that one node writes at a time. More wait in the queue, or for other nodes. */
const MAX_RUNS = 64;

/** Takes runs from the queue and has them written. */
@Injectable()
export class RunWorkerService implements OnModuleInit {
  private readonly running = new Set<Promise<void>>();
  /** One claim at a time: two would both count the same room twice. */
  private claiming: Promise<void> | undefined;
  private readonly asked = new Set<'abandoned' | 'queued'>();
  private isLeaving = false;

  constructor(
    private readonly claims: RunClaimStore,
    private readonly leases: RunLeaseService,
    private readonly executor: RunExecutorService,
    private readonly signals: RunSignalService,
    private readonly report: RunReportService,
  ) {}

  onModuleInit(): void {
    this.signals.whenQueued(() => this.claimQueued());
  }

  /** A run was queued here: takes it now, or tells the other nodes when this one is full. */
  wake(): void {
    if (this.room === 0) this.signals.announceQueued();
    else this.claimQueued();
  }

  /** Takes as many queued runs as there is room for. Calls that come while it asks lead to one more question, not to many. */
  claimQueued(): void {
    this.asked.add('queued');
    this.claiming ??= this.claimWhileAsked().finally(() => {
      this.claiming = undefined;
    });
  }

  /** The same, and before that takes over the runs of nodes that went silent. */
  claimAbandonedAndQueued(): void {
    this.asked.add('abandoned');
    this.claimQueued();
  }

  /** Takes no more runs. Resolves when the last claim is through. */
  async takeNoMore(): Promise<void> {
    this.isLeaving = true;
    await this.claiming;
  }

  /** Resolves when no run is being written here any more. */
  async allEnded(): Promise<void> {
    await Promise.all(this.running);
  }

  private get room(): number {
    return this.isLeaving ? 0 : Math.max(0, MAX_RUNS - this.running.size);
  }

  private async claimWhileAsked(): Promise<void> {
    try {
      while (this.asked.size > 0 && this.room > 0) {
        if (this.asked.delete('abandoned')) await this.takeOverAbandoned();
        else if (this.asked.delete('queued')) await this.takeQueued();
      }
    } catch (error) {
      // While Postgres is down its breaker tells of it; the next sweep asks again.
      if (!(error instanceof AppError)) this.report.claimFailed(error);
    }
  }

  private async takeOverAbandoned(): Promise<void> {
    const claimedMs = performance.now();
    for (const run of await this.claims.claimAbandoned(this.room)) {
      this.report.takenOver(run);
      this.begin(run, claimedMs);
    }
  }

  private async takeQueued(): Promise<void> {
    const claimedMs = performance.now();
    const runs = await this.claims.claimQueued(this.room);
    for (const run of runs) this.begin(run, claimedMs);
  }

  private begin(run: ClaimedRun, claimedMs: number): void {
    const lease = this.leases.hold(run, claimedMs);
    const work = this.execute(run, lease).then((isAwaited) => {
      const wasFull = this.room === 0;
      this.leases.drop(lease);
      this.running.delete(work);
      if (isAwaited || wasFull) this.claimQueued();
    });
    this.running.add(work);
  }

  private async execute(run: ClaimedRun, lease: RunLease): Promise<boolean> {
    try {
      return await this.executor.execute(run, lease);
    } catch (error) {
      if (error instanceof RunStopped) this.report.stopped(run, error.reason);
      else this.report.brokenOff(run, error);
      return true;
    }
  }
}
