import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { RunClaimStore } from '../runs/run-claim.store.js';
import { RunLeaseService } from '../runs/run-lease.service.js';
import { RunReportService } from '../runs/run-report.service.js';
import { RunSignalService } from '../runs/run-signal.service.js';
import { RunExecutorService } from './run-executor.service.js';
import { type RunLease, RunStopped } from '../runs/run-lease.js';
import type { ClaimedRun } from '../runs/run.store.js';

/** Claims runs from the queue and executes them, `RUNS_PER_NODE` at a time; others wait, or go to other nodes. */
@Injectable()
export class RunWorkerService implements OnModuleInit {
  private readonly running = new Set<Promise<void>>();
  /** One claim at a time: two at once would both use the same free slots. */
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

  /** Called when a run was queued here: claims it now, or tells the other nodes if this one is full. */
  wake(): void {
    if (this.room === 0) this.signals.announceQueued();
    else this.claimQueued();
  }

  /** Claims as many queued runs as there is room for. Calls during a claim lead to one more claim, not to many. */
  claimQueued(): void {
    this.asked.add('queued');
    this.claiming ??= this.claimWhileAsked().finally(() => {
      this.claiming = undefined;
    });
  }

  /** Takes over the runs of nodes that went silent, then does the same. */
  claimAbandonedAndQueued(): void {
    this.asked.add('abandoned');
    this.claimQueued();
  }

  /** Stops claiming runs. Resolves when the last claim is done. */
  async takeNoMore(): Promise<void> {
    this.isLeaving = true;
    await this.claiming;
  }

  /** Resolves when no run is being written on this node. */
  async allEnded(): Promise<void> {
    await Promise.all(this.running);
  }

  private get room(): number {
    return this.isLeaving ? 0 : Math.max(0, this.claims.mostPerNode - this.running.size);
  }

  private async claimWhileAsked(): Promise<void> {
    try {
      while (this.asked.size > 0 && this.room > 0) {
        if (this.asked.delete('abandoned')) await this.takeOverAbandoned();
        else if (this.asked.delete('queued')) await this.takeQueued();
      }
    } catch (error) {
      // While Postgres is down, its circuit breaker reports it; the next sweep claims again.
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
      if (isAwaited || wasFull || this.claims.isShared) this.claimQueued();
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
