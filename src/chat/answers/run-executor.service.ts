import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { RunEnd } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { AnswerService } from './answer.service.js';
import { DeltaStreamService } from './delta-stream.service.js';
import type { DeltaStream } from './delta-stream.js';
import { RunJournalService } from '../runs/run-journal.service.js';
import { RunReportService } from '../runs/run-report.service.js';
import { type RunLease, RunStopped } from '../runs/run-lease.js';
import type { ClaimedRun } from '../runs/run.store.js';

type Outcome = Pick<RunEnd, 'finish_reason' | 'usage' | 'problem'>;

/** After this many attempts a run fails, and keeps the text written so far. */
const MAX_ATTEMPTS = 3;
/** Wait between two attempts to store the end. */
const RETRY_MS = 100;

/** Executes one run on this node, from the claim to its end. */
@Injectable()
export class RunExecutorService {
  constructor(
    private readonly journal: RunJournalService,
    private readonly streams: DeltaStreamService,
    private readonly answers: AnswerService,
    private readonly report: RunReportService,
  ) {}

  /**
   * Returns whether another run of the user is waiting.
   * @throws {RunStopped} when another node takes the run over; {AppError} when Postgres is unreachable for too long
   */
  async execute(run: ClaimedRun, lease: RunLease): Promise<boolean> {
    const refusal = this.refusalOf(run, lease);
    if (refusal !== undefined && run.messageId === undefined) {
      const nothing = { messageId: undefined, text: '' };
      const isAwaited = await this.store(lease, () => this.journal.end(run, nothing, refusal));
      this.report.ended(run, refusal.finish_reason, 0);
      return isAwaited;
    }
    const messageId = run.messageId ?? (await this.journal.start(run));
    const stream = await this.streams.open(run, messageId, lease);
    if (run.messageId !== undefined) await this.journal.takeOver(run, messageId, stream.text.length);
    const outcome = refusal ?? (await this.write(run, lease, stream));
    await stream.end();
    const answer = { messageId, text: stream.text };
    const publishRest = (): void => stream.publishRest();
    const isAwaited = await this.store(lease, () => this.journal.end(run, answer, outcome, publishRest));
    this.report.ended(run, outcome.finish_reason, answer.text.length);
    this.streams.close(stream);
    return isAwaited;
  }

  /** The outcome of a run that must not be written (further); otherwise `undefined`. */
  private refusalOf(run: ClaimedRun, lease: RunLease): Outcome | undefined {
    if (lease.stopReason === 'cancelled') return { finish_reason: 'cancelled' };
    if (run.attempt <= MAX_ATTEMPTS) return undefined;
    return this.failure(run, new AppError('internal', { detail: `given up after ${MAX_ATTEMPTS} attempts` }));
  }

  private async write(run: ClaimedRun, lease: RunLease, stream: DeltaStream): Promise<Outcome> {
    try {
      const { finishReason, usage } = await this.answers.write(run, stream, lease.signal);
      return { finish_reason: finishReason, ...(usage !== undefined && { usage }) };
    } catch (error) {
      if (lease.stopReason === 'cancelled') return { finish_reason: 'cancelled' };
      if (lease.stopReason !== undefined) throw new RunStopped(lease.stopReason);
      if (error instanceof RunStopped) throw error;
      return this.failure(run, error);
    }
  }

  private failure(run: ClaimedRun, thrown: unknown): Outcome {
    return { finish_reason: 'error', problem: this.report.failed(run, thrown) };
  }

  /** Retries for as long as this node holds the lease. */
  private async store(lease: RunLease, end: () => Promise<boolean>): Promise<boolean> {
    for (;;) {
      try {
        return await end();
      } catch (error) {
        if (!(error instanceof AppError) || !lease.isHeld) throw error;
        await sleep(RETRY_MS);
      }
    }
  }
}
