import type { Attempt, SharedFrame } from '../socket/shared-frame.js';

/**
 * Puts the frames of one conversation into the order of `seq`. Two nodes that store events one right after the other
 * may publish them the other way round; whatever comes after a missing event waits for it.
 *
 * What a node said before it died may arrive after another one has taken over. Pieces of text of an earlier attempt go
 * out no more then: they would cut back what its successor has written since.
 */
export class ConversationFeed {
  /** Of the last durable event that went out; no number is one more than it before the first. */
  private last = Number.NEGATIVE_INFINITY;
  private waiting: SharedFrame[] = [];
  /** The last attempt that has taken a run over. */
  private successor: Attempt | undefined;

  /** Takes a frame and returns those that may go out now, in order. */
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

  /** Says which event was the last before the feed began, so that the first one can be missed. */
  beginAfter(seq: number): void {
    if (!this.hasBegun) this.last = seq;
  }

  /** The last event that was passed on; `undefined` while there was none. */
  get lastSeq(): number | undefined {
    return this.hasBegun ? this.last : undefined;
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  /** What is missing before the first event that waits, both ends included. */
  get hole(): { fromSeq: number; toSeq: number } | undefined {
    const waiting = this.waiting.flatMap(({ seq }) => seq ?? []);
    if (waiting.length === 0) return undefined;
    return { fromSeq: this.last + 1, toSeq: Math.min(...waiting) - 1 };
  }

  /** Gives up on what is missing: whoever watches sees the hole in `seq` and asks for it. */
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

/** Durable events by `seq`; the frames between them stay behind the event that they came after. */
function inOrder(frames: readonly SharedFrame[]): SharedFrame[] {
  let seq = 0;
  return frames
    .map((frame) => ({ frame, behind: (seq = frame.seq ?? seq) }))
    .sort((a, b) => a.behind - b.behind)
    .map(({ frame }) => frame);
}
