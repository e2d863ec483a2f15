import { Injectable } from '@nestjs/common';
import type { Problem } from '../../../protocol/errors.js';
import type { RunEnd } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { toAppError, toProblem } from '../../errors/problem.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { newTraceId } from '../../observability/trace-id.js';
import { STATUSES } from './run-end.js';
import type { ClaimedRun, KnownRun } from './run.store.js';

/** Reports what happens to runs in log and metrics. */
@Injectable()
export class RunReportService {
  constructor(
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
  ) {}

  takenOver(run: ClaimedRun): void {
    this.metrics.runTakeovers.inc();
    this.logger.warn('run.taken_over', { run_id: run.id, from_node: run.fromNode, attempt: run.attempt });
  }

  /** An answer failed. Returns the problem that its owner gets. */
  failed(run: ClaimedRun, thrown: unknown): Problem {
    const error = toAppError(thrown);
    const problem = toProblem(error, `/conversations/${run.conversationId}`, newTraceId());
    const cause = thrown instanceof AppError ? thrown.cause : thrown;
    this.logger.error('run.failed', {
      ...idsOf(run),
      code: error.code,
      trace_id: problem.trace_id,
      detail: error.detail,
      cause: cause instanceof Error ? cause.message : undefined,
    });
    return problem;
  }

  /** The end is stored. `length` in UTF-16 code units. */
  ended(run: ClaimedRun, finishReason: RunEnd['finish_reason'], length: number): void {
    this.metrics.runs.labels(STATUSES[finishReason].status).inc();
    this.logger.info('run.ended', { ...idsOf(run), finish_reason: finishReason, length });
  }

  cancelledUnstarted(): void {
    this.metrics.runs.labels('cancelled').inc();
  }

  cancelRequested(run: KnownRun): void {
    this.logger.info('run.cancel_requested', {
      run_id: run.id,
      conversation_id: run.conversationId,
      user_id: run.userId,
    });
  }

  /** This node has stopped writing the run. */
  stopped({ id, attempt }: ClaimedRun, reason: string): void {
    this.logger.info('run.stopped', { run_id: id, attempt, reason });
  }

  brokenOff({ id, attempt }: ClaimedRun, thrown: unknown): void {
    this.logger.error('run.broken_off', { run_id: id, attempt, error: messageOf(thrown) });
  }

  claimFailed(thrown: unknown): void {
    this.logger.error('run.claim_failed', { error: String(thrown) });
  }

  handOverFailed(thrown: unknown): void {
    this.logger.warn('run.hand_over_failed', { error: String(thrown) });
  }
}

function idsOf({ id, conversationId, userId, attempt }: ClaimedRun): Record<string, unknown> {
  return { run_id: id, conversation_id: conversationId, user_id: userId, attempt };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
