import type { ServerFrameOf } from '../../../protocol/messages.js';

export type DeltaFrame = Pick<ServerFrameOf<'message.delta'>, 'type' | 'conversation_id' | 'data'>;

/**
 * Deltas that wait for a socket that reads slowly. Those of one message become one: whoever applies it has the same text
 * as after all of them, so a slow reader costs what the texts are long, not what their frames are many.
 */
export class DeltaBacklog {
  private held: DeltaFrame[] = [];
  private codeUnits = 0;

  /** UTF-16 code units of text that wait. */
  get length(): number {
    return this.codeUnits;
  }

  hold(frame: DeltaFrame): void {
    const index = this.held.findLastIndex(({ data }) => data.message_id === frame.data.message_id);
    const merged = index === -1 ? undefined : merge(this.held[index]!, frame);
    if (merged === undefined) {
      this.held.push(frame);
      this.codeUnits += frame.data.text.length;
    } else {
      this.codeUnits += merged.data.text.length - this.held[index]!.data.text.length;
      this.held[index] = merged;
    }
  }

  /** All that waits, in the order in which it began to. */
  take(): DeltaFrame[] {
    const taken = this.held;
    this.held = [];
    this.codeUnits = 0;
    return taken;
  }
}

/** Both as one, or `undefined` when there is a hole between them. */
function merge(earlier: DeltaFrame, later: DeltaFrame): DeltaFrame | undefined {
  const start = earlier.data.offset;
  const { offset, text } = later.data;
  // A node that took over begins before what waits: the text from there on is all that counts.
  if (offset < start) return later;
  if (offset > start + earlier.data.text.length) return undefined;
  const whole = earlier.data.text.slice(0, offset - start) + text;
  return { ...later, data: { ...later.data, offset: start, text: whole } };
}
