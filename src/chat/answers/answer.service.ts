import { Injectable } from '@nestjs/common';
import { ResponderService, type AnswerEnd } from '../../responder/responder.service.js';
import type { DeltaStream } from './delta-stream.js';
import { MessageStore } from '../history/message.store.js';
import { RunToolService } from './run-tool.service.js';
import type { ClaimedRun } from '../runs/run.store.js';
import { MAX_TURNS, turnsOf } from './turns.js';

/** Has the responder write the answer of a run from the conversation so far. */
@Injectable()
export class AnswerService {
  constructor(
    private readonly messages: MessageStore,
    private readonly tools: RunToolService,
    private readonly source: ResponderService,
  ) {}

  /** @throws {AppError} when the answer fails; throws the signal's reason once it is aborted */
  async write(run: ClaimedRun, stream: DeltaStream, signal: AbortSignal): Promise<AnswerEnd> {
    signal.throwIfAborted();
    const turns = turnsOf(await this.messages.exchangesUpTo(run.questionId, MAX_TURNS));
    const callTool = await this.tools.callerFor(run, turns, signal, () => stream.flush());
    const { conversationId } = run;
    const request = { conversationId, turns, written: stream.text, signal, callTool };
    return this.source.write(request, (text) => stream.push(text));
  }
}
