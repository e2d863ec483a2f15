import type { RunEnd, ServerFrame, ServerFrameData } from '../../protocol/messages.js';
import { isRunEnd } from '../chat.support.js';

/** The answer of one run as one client receives it, and every place where a frame does not fit. */
export class TextWatch {
  text = '';
  readonly jumps: string[] = [];
  readonly takeovers: ServerFrameData['run.takeover'][] = [];
  /** Time of the first delta after the last takeover. */
  resumedMs: number | undefined;
  end: RunEnd | undefined;
  private runId: string | undefined;
  private messageId: string | undefined;
  /** Frames that arrived before the id of the run was known. */
  private readonly early: ServerFrame[] = [];
  private readonly waiting: { words: number; reached: () => void }[] = [];

  get words(): number {
    return this.text === '' ? 0 : this.text.trimEnd().split(' ').length;
  }

  begin(runId: string): void {
    this.runId = runId;
    for (const frame of this.early.splice(0)) this.see(frame);
  }

  /** Resolves as soon as the client holds this many words. */
  holding(words: number): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push({ words, reached: resolve });
      this.tell();
    });
  }

  see(frame: ServerFrame): void {
    if (this.runId === undefined) this.early.push(frame);
    if (!('run_id' in frame.data) || frame.data.run_id !== this.runId) return;
    if (frame.type === 'message.delta') this.append(frame.data);
    if (frame.type === 'message.snapshot') this.replace(frame.data);
    if (frame.type === 'run.takeover') this.takeOver(frame.data);
    if (isRunEnd(frame)) this.end = frame.data;
  }

  private append({ message_id, offset, text }: ServerFrameData['message.delta']): void {
    this.expectMessage(message_id);
    const known = this.text.slice(offset, offset + text.length);
    if (offset > this.text.length) this.jumps.push(`a piece at ${offset} after ${this.text.length} units`);
    else if (!text.startsWith(known)) this.jumps.push(`"${text}" at ${offset}, where "${known}" stood`);
    else if (offset + text.length < this.text.length)
      this.jumps.push(`a piece at ${offset} cuts the text back`);
    this.text = this.text.slice(0, offset) + text;
    if (this.takeovers.length > 0) this.resumedMs ??= performance.now();
    this.tell();
  }

  private replace({ message_id, text }: ServerFrameData['message.snapshot']): void {
    this.expectMessage(message_id);
    if (!text.startsWith(this.text)) this.jumps.push(`a snapshot of ${text.length} units is another text`);
    this.text = text;
    this.tell();
  }

  private takeOver(takeover: ServerFrameData['run.takeover']): void {
    this.takeovers.push(takeover);
    this.resumedMs = undefined;
    if (takeover.offset < this.text.length)
      this.jumps.push(`taken over at ${takeover.offset}, where the client had ${this.text.length} units`);
  }

  private expectMessage(id: string): void {
    this.messageId ??= id;
    if (this.messageId !== id) this.jumps.push(`${id} is a second answer beside ${this.messageId}`);
  }

  private tell(): void {
    for (const { words, reached } of this.waiting) if (words <= this.words) reached();
  }
}
