import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import type { ClaimedRun } from '../runs/run.store.js';
import { AnswerProgress } from './answer-progress.js';
import { AnswerProgressStore } from './answer-progress.store.js';

const INTERVAL_MS = 100;

/** Tells the readers of answers that this node writes what happens while no text comes. */
@Injectable()
export class AnswerProgressService implements OnModuleDestroy {
  private readonly answers = new Set<AnswerProgress>();
  /** Of these, other nodes have been told something that must be taken back when text comes. */
  private readonly told = new Set<AnswerProgress>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: AnswerProgressStore,
    private readonly fanOut: FanOutService,
    private readonly config: Config,
    private readonly logger: AppLogger,
  ) {}

  begin(run: ClaimedRun): AnswerProgress {
    const { showThinking } = this.config.answers;
    const beganMs = performance.now();
    const elapsedMs = (): number => run.ageMs + performance.now() - beganMs;
    const answer = new AnswerProgress(run.id, run.conversationId, elapsedMs, showThinking, beganMs);
    this.answers.add(answer);
    this.timer ??= setInterval(() => this.tell(), INTERVAL_MS).unref();
    return answer;
  }

  end(answer: AnswerProgress): void {
    this.answers.delete(answer);
    this.takeBack(answer);
    if (this.answers.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private tell(): void {
    const nowMs = performance.now();
    for (const answer of this.answers) {
      if (answer.isWriting) this.takeBack(answer);
      const frame = answer.take(nowMs);
      if (frame === undefined) continue;
      this.fanOut.publish(frame);
      this.told.add(answer);
      background(this.store.keep(answer.runId, answer.latest), this.logger, 'run.progress_lost');
    }
  }

  private takeBack(answer: AnswerProgress): void {
    if (!this.told.delete(answer)) return;
    background(this.store.drop(answer.runId), this.logger, 'run.progress_lost');
  }
}
