import { Injectable } from '@nestjs/common';
import type { FrameReply } from '../../websocket/socket/frame-reply.js';
import { AnswerProgressStore } from '../answers/answer-progress.store.js';
import { RunQueueService } from '../runs/run-queue.service.js';

/** The `run.progress` frames for a socket that comes while they are true. */
@Injectable()
export class ProgressReplayService {
  constructor(
    private readonly queue: RunQueueService,
    private readonly answers: AnswerProgressStore,
  ) {}

  /** Of the runs that wait in a conversation. */
  waitingIn(conversationId: string): Promise<FrameReply[]> {
    return this.queue.progressOf(conversationId);
  }

  /** Of a run that is being written, if no text comes. */
  ofRunning(runId: string): Promise<FrameReply | undefined> {
    return this.answers.read(runId);
  }
}
