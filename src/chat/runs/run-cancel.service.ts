import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { RunEnd } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { AwakeClock } from '../../resilience/awake-clock.js';
import { RunLeaseService } from './run-lease.service.js';
import { RunReportService } from './run-report.service.js';
import { RunSignalService } from './run-signal.service.js';
import { RunJournalService } from './run-journal.service.js';
import { type KnownRun, RunStore } from './run.store.js';

type RunName = { runId: string } | { clientMessageId: string };

/** How long a cancellation waits for the run to end. */
const TIME_LIMIT_MS = 5000;
const POLL_INTERVAL_MS = 40;

/** Stops runs, whichever node writes them. */
@Injectable()
export class RunCancelService {
  constructor(
    private readonly runs: RunStore,
    private readonly journal: RunJournalService,
    private readonly leases: RunLeaseService,
    private readonly signals: RunSignalService,
    private readonly report: RunReportService,
  ) {}

  /**
   * Stops a run and waits for its end. A run that was cancelled before gets the same result again.
   * @param onlyIn the only conversation that the caller may access, if restricted.
   * @throws {AppError} `run_not_found` for a run that is another user's, unknown or ended otherwise; `cancel_forbidden`
   * for the user's own in another conversation than `onlyIn`; `dependency_unavailable` if it does not end within 5 s
   */
  async cancel(userId: string, name: RunName, onlyIn?: string): Promise<{ run: KnownRun; end: RunEnd }> {
    const clock = new AwakeClock();
    const deadline = clock.read() + TIME_LIMIT_MS;
    const found = await this.find(userId, name);
    if (onlyIn !== undefined && found.conversationId !== onlyIn) {
      throw new AppError('cancel_forbidden', { detail: 'this socket was opened for another conversation' });
    }
    let run = await this.stop(found);
    while (run.outcome === undefined) {
      if (clock.read() > deadline) {
        throw new AppError('dependency_unavailable', {
          detail: 'the run was asked to stop and has not stopped yet',
        });
      }
      await sleep(POLL_INTERVAL_MS);
      run = await this.find(userId, { runId: run.id });
    }
    if (run.outcome.finish_reason !== 'cancelled') throw hasEnded(run);
    return { run, end: run.outcome };
  }

  /**
   * Asks a run to stop, without waiting for its end.
   * @param conversationId the conversation that the run must be in, if given.
   * @throws {AppError} `run_not_found` for a run that is not there, another user's, or ended otherwise.
   */
  async request(userId: string, name: RunName, conversationId?: string): Promise<KnownRun> {
    const run = await this.find(userId, name);
    if (conversationId !== undefined && run.conversationId !== conversationId)
      throw new AppError('run_not_found');
    return this.stop(run);
  }

  /** Asks all runs of a user to stop, without waiting for them to end. */
  async cancelAllOf(userId: string): Promise<void> {
    for (const runId of await this.runs.unfinishedOf(userId)) {
      try {
        await this.request(userId, { runId });
      } catch (error) {
        // It ended by itself in the meantime.
        if (!(error instanceof AppError && error.code === 'run_not_found')) throw error;
      }
    }
  }

  /** Tells the node that writes a run to stop it. */
  tell(runId: string): void {
    this.leases.cancel(runId);
    this.signals.announceCancel(runId);
  }

  private async stop(run: KnownRun): Promise<KnownRun> {
    if (run.status === 'cancelled') return run;
    if (run.status === 'completed' || run.status === 'failed') throw hasEnded(run);
    if (run.status === 'queued') {
      const outcome = await this.journal.cancelQueued(run);
      if (outcome !== undefined) {
        this.report.cancelledUnstarted();
        return { ...run, status: 'cancelled', outcome };
      }
    }
    // The run is running, or has just begun to.
    await this.runs.requestCancel(run.id);
    this.tell(run.id);
    this.report.cancelRequested(run);
    return run;
  }

  private async find(userId: string, name: RunName): Promise<KnownRun> {
    const run = await this.runs.find(userId, name);
    if (run === undefined) throw new AppError('run_not_found');
    return run;
  }
}

function hasEnded({ status }: KnownRun): AppError {
  return new AppError('run_not_found', { detail: `This run has ended: it is ${status}` });
}
