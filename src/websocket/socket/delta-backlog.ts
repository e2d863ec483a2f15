import type { ServerFrameOf } from '../../../protocol/messages.js';

export type DeltaFrame = Pick<ServerFrameOf<'message.delta'>, 'type' | 'conversation_id' | 'data'>;

/**
 * Deltas that wait for a slow socket. Those of one message are merged into one that gives the same text, so the cost of
 * a slow reader depends on the length of the text, not on the number of frames.
 */
export class DeltaBacklog {
  private held: DeltaFrame[] = [];
  private codeUnits = 0;

  /** Length of the waiting text in UTF-16 code units. */
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

  /** Removes and returns all waiting deltas, oldest first. */
  take(): DeltaFrame[] {
    const taken = this.held;
    this.held = [];
    this.codeUnits = 0;
    return taken;
  }
}

/** Merges two deltas. Returns `undefined` if there is a gap between them. */
function merge(earlier: DeltaFrame, later: DeltaFrame): DeltaFrame | undefined {
  const start = earlier.data.offset;
  const { offset, text } = later.data;
  // A node that took over starts before the waiting text, and replaces all of it.
  if (offset < start) return later;
  if (offset > start + earlier.data.text.length) return undefined;
  const whole = earlier.data.text.slice(0, offset - start) + text;
  return { ...later, data: { ...later.data, offset: start, text: whole } };
}
