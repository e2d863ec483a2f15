import { Injectable } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import { MetricsService } from '../observability/metrics.service.js';
import { Dependency } from '../resilience/dependency.js';
import { Responder, type ResponderPart, type ResponderRequest } from './contract/responder.js';

export type AnswerEnd = Extract<ResponderPart, { kind: 'end' }>;

/** The responder behind its circuit breaker. A whole answer is one call, so that failures in mid-stream count too. */
@Injectable()
export class ResponderService {
  readonly dependency: Dependency;

  constructor(
    private readonly responder: Responder,
    metrics: MetricsService,
  ) {
    this.dependency = new Dependency(
      'responder',
      {
        failuresToOpen: 5,
        halfOpenAfterMs: 10_000,
        isFault: (error) => error instanceof AppError && error.code === 'dependency_unavailable',
      },
      metrics.breakerState.labels('responder'),
    );
  }

  /**
   * Has one answer written, piece by piece.
   * @throws {AppError} `dependency_unavailable`; throws the signal's reason once it is aborted
   */
  async write(request: ResponderRequest, onText: (text: string) => void): Promise<AnswerEnd> {
    try {
      // A half-open breaker lets one call through and refuses all others until it ends. An answer takes too long for
      // that, so the responder's own check, which takes a second at most, decides instead.
      if (this.dependency.state !== 'closed') await this.dependency.run(() => this.check());
      return await this.dependency.run(() => this.consume(request, onText));
    } catch (error) {
      // The responder's own error says more than the breaker's.
      throw error instanceof AppError && error.cause instanceof AppError ? error.cause : error;
    }
  }

  private async check(): Promise<void> {
    try {
      await this.responder.check();
    } catch (error) {
      throw error instanceof AppError ? error : new AppError('dependency_unavailable', { cause: error });
    }
  }

  private async consume(request: ResponderRequest, onText: (text: string) => void): Promise<AnswerEnd> {
    for await (const part of this.responder.respond(request)) {
      if (part.kind === 'end') return part;
      onText(part.text);
    }
    throw new AppError('dependency_unavailable', {
      detail: 'the responder stopped before the end of its answer',
    });
  }
}
