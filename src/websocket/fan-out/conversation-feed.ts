import type { Attempt, SharedFrame } from '../socket/shared-frame.js';

/**
 * Puts the frames of one conversation into the order of `seq`. Two nodes that store events in quick succession may
 * publish them in reverse order, so frames after a missing event wait for it.
 *
 * Text from a node that died may arrive after another node has taken over the run. Text of an earlier attempt is then
 * dropped: it would overwrite what the new attempt has written.
 */
export class ConversationFeed {
  /** `seq` of the last durable event that was passed on; `-Infinity` before the first, which has no successor. */
  private last = Number.NEGATIVE_INFINITY;
  private waiting: SharedFrame[] = [];
  /** The last attempt that has taken over a run. */
  private successor: Attempt | undefined;

  /** Takes a frame and returns the frames that can be sent now, in order. */
  accept(frame: SharedFrame): SharedFrame[] {
    this.successor = frame.takeover ?? this.successor;
    if (this.isOvertaken(frame)) return [];
    if (this.waiting.length > 0) return this.acceptBehindGap(frame);
    if (frame.seq === undefined) return [frame];
    if (!this.hasBegun || frame.seq === this.last + 1) {
      this.last = frame.seq;
      return [frame];
    }
    if (frame.seq <= this.last) return [];
    this.waiting.push(frame);
    return [];
  }

  /** Sets the last event before the feed began, so that a missing first event is noticed. */
  beginAfter(seq: number): void {
    if (!this.hasBegun) this.last = seq;
  }

  /** `seq` of the last event that was passed on; `undefined` if there was none. */
  get lastSeq(): number | undefined {
    return this.hasBegun ? this.last : undefined;
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  /** The gap before the first waiting event, both ends included. */
  get hole(): { fromSeq: number; toSeq: number } | undefined {
    const waiting = this.waiting.flatMap(({ seq }) => seq ?? []);
    if (waiting.length === 0) return undefined;
    return { fromSeq: this.last + 1, toSeq: Math.min(...waiting) - 1 };
  }

  /** Gives up on missing events: clients see the gap in `seq` and ask for it. */
  giveUp(): SharedFrame[] {
    const frames = inOrder(this.waiting);
    this.waiting = [];
    for (const { seq } of frames) if (seq !== undefined) this.last = Math.max(this.last, seq);
    return frames;
  }

  private get hasBegun(): boolean {
    return Number.isFinite(this.last);
  }

  private isOvertaken({ writtenBy }: SharedFrame): boolean {
    if (writtenBy === undefined || writtenBy.runId !== this.successor?.runId) return false;
    return writtenBy.attempt < this.successor.attempt;
  }

  private acceptBehindGap(frame: SharedFrame): SharedFrame[] {
    if (frame.seq === undefined || frame.seq !== this.last + 1) {
      if (frame.seq === undefined || frame.seq > this.last) this.waiting.push(frame);
      return [];
    }
    this.last = frame.seq;
    const released = [frame];
    const held = this.waiting;
    this.waiting = [];
    for (const next of held) released.push(...this.accept(next));
    return released;
  }
}

/** Sorts durable events by `seq`; other frames stay after the event that they followed. */
function inOrder(frames: readonly SharedFrame[]): SharedFrame[] {
  let seq = 0;
  return frames
    .map((frame) => ({ frame, behind: (seq = frame.seq ?? seq) }))
    .sort((a, b) => a.behind - b.behind)
    .map(({ frame }) => frame);
}
