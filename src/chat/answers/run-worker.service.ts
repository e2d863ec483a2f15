import { Injectable, type OnModuleInit } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { DrainService } from '../../websocket/drain/drain.service.js';
import { RunClaimStore } from '../runs/run-claim.store.js';
import { RunLeaseService } from '../runs/run-lease.service.js';
import { RunSignalService } from '../runs/run-signal.service.js';
import { RunExecutorService } from './run-executor.service.js';
import { type RunLease, RunStopped } from '../runs/run-lease.js';
import type { ClaimedRun } from '../runs/run.store.js';

/** Answers that one node writes at a time. More wait in the queue, or for other nodes. */
const MAX_RUNS = 64;
/** Kept of the drain window for handing over what did not end in it. */
const HAND_OVER_MS = 500;

/** Takes runs from the queue and has them written. */
@Injectable()
export class RunWorkerService implements OnModuleInit {
  private readonly running = new Set<Promise<void>>();
  /** One claim at a time: two would both fill the same free places. */
  private claiming: Promise<void> | undefined;
  private readonly asked = new Set<'abandoned' | 'queued'>();
  private isLeaving = false;

  constructor(
    private readonly claims: RunClaimStore,
    private readonly leases: RunLeaseService,
    private readonly executor: RunExecutorService,
    private readonly signals: RunSignalService,
    private readonly drain: DrainService,
    private readonly config: Config,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    this.signals.whenQueued(() => this.claimQueued());
    this.signals.whenCancelled((runId) => this.leases.cancel(runId));
    this.drain.alongside(() => this.leave());
  }

  /** A run was queued here: takes it now, or tells the other nodes when this one is full. */
  wake(): void {
    if (this.freePlaces === 0) this.signals.announceQueued();
    else this.claimQueued();
  }

  /** Takes queued runs for the free places. Calls that come while it asks lead to one more question, not to many. */
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

  /** Takes no more runs, lets answers end within the drain window, and hands over to other nodes what does not. */
  private async leave(): Promise<void> {
    this.isLeaving = true;
    const limit = new AbortController();
    const windowMs = Math.max(0, this.config.drainSeconds * 1000 - HAND_OVER_MS);
    await this.claiming;
    await Promise.race([Promise.all(this.running), waitFor(windowMs, limit.signal)]);
    limit.abort();
    try {
      await this.leases.handOver();
    } catch (error) {
      // Without Postgres the leases run out by themselves, which takes a little longer.
      this.logger.warn('run.hand_over_failed', { error: String(error) });
    }
    await Promise.all(this.running);
  }

  private get freePlaces(): number {
    return this.isLeaving ? 0 : Math.max(0, MAX_RUNS - this.running.size);
  }

  private async claimWhileAsked(): Promise<void> {
    try {
      while (this.asked.size > 0 && this.freePlaces > 0) {
        if (this.asked.delete('abandoned')) await this.takeOverAbandoned();
        else if (this.asked.delete('queued')) await this.takeQueued();
      }
    } catch (error) {
      // While Postgres is away its breaker tells of it; the next sweep asks again.
      if (!(error instanceof AppError)) this.logger.error('run.claim_failed', { error: String(error) });
    }
  }

  private async takeOverAbandoned(): Promise<void> {
    const claimedMs = performance.now();
    for (const run of await this.claims.claimAbandoned(this.config.nodeName, this.freePlaces)) {
      this.metrics.runTakeovers.inc();
      this.logger.warn('run.taken_over', { run_id: run.id, from_node: run.fromNode, attempt: run.attempt });
      this.begin(run, claimedMs);
    }
  }

  private async takeQueued(): Promise<void> {
    const claimedMs = performance.now();
    const runs = await this.claims.claimQueued(this.config.nodeName, this.freePlaces);
    for (const run of runs) this.begin(run, claimedMs);
  }

  private begin(run: ClaimedRun, claimedMs: number): void {
    const lease = this.leases.hold(run, claimedMs);
    const work = this.execute(run, lease).then((isAwaited) => {
      const wasFull = this.freePlaces === 0;
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
      const reason = error instanceof RunStopped ? error.reason : undefined;
      const fields = { run_id: run.id, attempt: run.attempt, reason };
      if (reason !== undefined) this.logger.info('run.stopped', fields);
      else
        this.logger.error('run.broken_off', {
          ...fields,
          error: error instanceof Error ? error.message : String(error),
        });
      return true;
    }
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
