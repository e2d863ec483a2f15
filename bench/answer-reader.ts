import type { ServerFrame } from '../protocol/messages.js';

/** Assembles the text of the answer to one question; other answers may be written at the same time. */
export class AnswerReader {
  error: string | undefined;
  private runId: string | undefined;
  private readonly texts = new Map<string, string>();
  private readonly ends = new Map<string, string>();

  read({ type, data }: ServerFrame): void {
    if (type === 'error') this.error = data.code;
    if (type === 'message.accepted') this.runId = data.run_id;
    if (type === 'message.delta') {
      const { run_id: runId, offset, text } = data;
      this.texts.set(runId, (this.texts.get(runId) ?? '').slice(0, offset) + text);
    }
    if (type === 'run.completed' || type === 'run.failed' || type === 'run.cancelled')
      this.ends.set(data.run_id, type);
  }

  get isAccepted(): boolean {
    return this.runId !== undefined;
  }

  /** `run.completed`, `run.failed` or `run.cancelled`; absent while the run is in progress. */
  get end(): string | undefined {
    return this.ends.get(this.runId ?? '');
  }

  get text(): string | undefined {
    return this.texts.get(this.runId ?? '');
  }
}
