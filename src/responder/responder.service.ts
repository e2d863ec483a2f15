import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { Dependency } from '../resilience/dependency.js';
import { Responder, type ResponderPart, type ResponderRequest } from './contract/responder.js';
import { clip } from './contract/storable-text.js';

/** What the reader of an answer is told while it is written. */
export interface AnswerListener {
  text(text: string): void;
  progress(state: 'waiting' | 'thinking', thoughts: string | undefined): void;
}

export type AnswerEnd = Extract<ResponderPart, { kind: 'end' }>;

/** The responder behind its circuit breaker. A whole answer is one call, so that failures in mid-stream count too. */
@Injectable()
export class ResponderService implements OnApplicationBootstrap {
  readonly dependency: Dependency;

  constructor(
    private readonly responder: Responder,
    private readonly config: Config,
    private readonly logger: AppLogger,
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

  onApplicationBootstrap(): void {
    if (this.config.answers.warmUp) background(this.warmUp(), this.logger, 'responder.warm_up_failed');
  }

  /**
   * Has one answer written, piece by piece. One that is longer than `RESPONDER_MAX_CHARACTERS` is cut.
   * @throws {AppError} `dependency_unavailable`; throws the signal's reason once it is aborted
   */
  async write(request: ResponderRequest, listener: AnswerListener): Promise<AnswerEnd> {
    try {
      // A half-open breaker lets one call through and refuses all others until it ends. An answer takes too long for
      // that, so the responder's own check, which takes a second at most, decides instead.
      if (this.dependency.state !== 'closed') await this.dependency.run(() => this.check());
      return await this.dependency.run(() => this.consume(request, listener));
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

  private async consume(request: ResponderRequest, listener: AnswerListener): Promise<AnswerEnd> {
    let room = this.config.answers.maxCharacters - request.written.length;
    for await (const part of this.responder.respond(request)) {
      switch (part.kind) {
        case 'end':
          return part;
        case 'progress':
          listener.progress(part.state, part.text);
          break;
        case 'text':
          listener.text(clip(part.text, Math.max(0, room)));
          room -= part.text.length;
          // Leaving the loop makes the model stop.
          if (room < 0) return { kind: 'end', finishReason: 'length' };
      }
    }
    throw new AppError('dependency_unavailable', {
      detail: 'the responder stopped before the end of its answer',
    });
  }

  /** A model that cannot be loaded now may be there when somebody asks. */
  private async warmUp(): Promise<void> {
    const beganMs = performance.now();
    await this.responder.warmUp();
    this.logger.info('responder.warm', { elapsed_ms: Math.round(performance.now() - beganMs) });
  }
}
