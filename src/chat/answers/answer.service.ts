import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { ResponderService, type AnswerEnd } from '../../responder/responder.service.js';
import { AnswerProgressService } from './answer-progress.service.js';
import type { DeltaStream } from './delta-stream.js';
import { MessageStore } from '../history/message.store.js';
import { RunToolService } from './run-tool.service.js';
import type { ClaimedRun } from '../runs/run.store.js';
import { MAX_EXCHANGES, turnsOf } from './turns.js';

/** Has the responder write the answer of a run from the conversation so far. */
@Injectable()
export class AnswerService {
  constructor(
    private readonly messages: MessageStore,
    private readonly tools: RunToolService,
    private readonly source: ResponderService,
    private readonly progress: AnswerProgressService,
    private readonly config: Config,
  ) {}

  /** @throws {AppError} when the answer fails; throws the signal's reason once it is aborted */
  async write(run: ClaimedRun, stream: DeltaStream, signal: AbortSignal): Promise<AnswerEnd> {
    signal.throwIfAborted();
    const exchanges = await this.messages.exchangesUpTo(run.questionId, MAX_EXCHANGES);
    const turns = turnsOf(exchanges, this.config.answers.contextTokens);
    const progress = this.progress.begin(run);
    try {
      const call = await this.tools.callerFor(run, turns, signal, () => stream.flush());
      const callTool: typeof call = async (wanted) => {
        progress.enter('tool');
        const outcome = await call(wanted);
        progress.enter('waiting');
        return outcome;
      };
      const { conversationId } = run;
      const userName = exchanges[0]?.asker ?? '';
      return await this.source.write(
        { conversationId, turns, userName, written: stream.text, signal, callTool },
        {
          text: (text) => {
            progress.wrote();
            stream.push(text);
          },
          progress: (state, thoughts) => progress.enter(state, thoughts),
        },
      );
    } finally {
      this.progress.end(progress);
    }
  }
}
