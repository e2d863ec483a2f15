import { Injectable } from '@nestjs/common';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { MetricsService } from '../observability/metrics.service.js';
import { FanOutService } from '../websocket/fan-out/fan-out.service.js';
import {
  type Acceptance,
  AcceptanceStore,
  type RegenerateRequest,
  type RunRequest,
  type SendRequest,
} from './runs/acceptance.store.js';
import { RunCancelService } from './runs/run-cancel.service.js';
import { RunWorkerService } from './answers/run-worker.service.js';

/** Accepts questions from sockets and HTTP: commits, then replies to the sender, then notifies everyone else. */
@Injectable()
export class ChatService {
  private readonly acceptedLatency: { observe(seconds: number): void };

  constructor(
    private readonly acceptances: AcceptanceStore,
    private readonly fanOut: FanOutService,
    private readonly worker: RunWorkerService,
    private readonly cancels: RunCancelService,
    metrics: MetricsService,
  ) {
    this.acceptedLatency = metrics.messageLatency.labels('accepted');
  }

  /**
   * Stores a question and the run that will answer it. A repeated `clientMessageId` gets the first reply again.
   * @param answer called after the commit, before anyone else is notified
   * @throws {AppError} `conversation_not_found`, `idempotency_conflict`, `run_busy`, `validation_failed`
   */
  send(request: SendRequest, answer?: (accepted: AcceptedMessage) => void): Promise<AcceptedMessage> {
    return this.take(request, this.acceptances.send(request), answer);
  }

  /**
   * Has a question answered again.
   * @throws {AppError} `conversation_not_found`, `idempotency_conflict`, `validation_failed`
   */
  regenerate(
    request: RegenerateRequest,
    answer?: (accepted: AcceptedMessage) => void,
  ): Promise<AcceptedMessage> {
    return this.take(request, this.acceptances.regenerate(request), answer);
  }

  private async take(
    { receivedMs }: RunRequest,
    acceptance: Promise<Acceptance>,
    answer: ((accepted: AcceptedMessage) => void) | undefined,
  ): Promise<AcceptedMessage> {
    const { accepted, event, interrupted } = await acceptance;
    this.acceptedLatency.observe((performance.now() - receivedMs) / 1000);
    answer?.(accepted);
    if (event !== undefined) this.fanOut.publish(event);
    for (const runId of interrupted) this.cancels.tell(runId);
    if (!accepted.duplicate) this.worker.wake();
    return accepted;
  }
}
