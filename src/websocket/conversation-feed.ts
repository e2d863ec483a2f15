import { encodeUtf8Frame } from './frame-encoding.js';

const NEWLINE = 0x0a;

/** A frame on its way to the sockets of a conversation. */
export interface FeedFrame {
  /** Of durable events. */
  seq: number | undefined;
  /** A whole WebSocket frame. */
  bytes: Buffer;
}

/** What goes through Redis: the `seq` of a durable event or nothing, a newline, the frame's JSON. */
export function toFeedMessage(seq: number | undefined, json: string): string {
  return `${seq ?? ''}\n${json}`;
}

export function parseFeedMessage(message: Buffer): FeedFrame {
  const end = message.indexOf(NEWLINE);
  const seq = end > 0 ? Number(message.toString('latin1', 0, end)) : undefined;
  return { seq, bytes: encodeUtf8Frame(message.subarray(end + 1)) };
}

/**
 * Puts the frames of one conversation into the order of `seq`. Two nodes that store events one right after the other
 * may publish them the other way round; whatever comes after a missing event waits for it.
 */
export class ConversationFeed {
  /** Of the last durable event that went out; no number is one more than it before the first. */
  private lastSeq = Number.NEGATIVE_INFINITY;
  private waiting: FeedFrame[] = [];

  /** Takes a frame and returns those that may go out now, in order. */
  accept(frame: FeedFrame): FeedFrame[] {
    if (this.waiting.length > 0) return this.acceptBehindGap(frame);
    if (frame.seq === undefined) return [frame];
    if (!this.hasBegun || frame.seq === this.lastSeq + 1) {
      this.lastSeq = frame.seq;
      return [frame];
    }
    if (frame.seq <= this.lastSeq) return [];
    this.waiting.push(frame);
    return [];
  }

  /** Says which event was the last before the feed began, so that the first one can be missed. */
  beginAfter(seq: number): void {
    if (!this.hasBegun) this.lastSeq = seq;
  }

  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Gives up on what is missing: whoever watches sees the hole in `seq` and asks for it. */
  giveUp(): FeedFrame[] {
    const frames = this.waiting;
    this.waiting = [];
    for (const { seq } of frames) if (seq !== undefined) this.lastSeq = Math.max(this.lastSeq, seq);
    return frames;
  }

  private get hasBegun(): boolean {
    return Number.isFinite(this.lastSeq);
  }

  private acceptBehindGap(frame: FeedFrame): FeedFrame[] {
    if (frame.seq === undefined || frame.seq !== this.lastSeq + 1) {
      if (frame.seq === undefined || frame.seq > this.lastSeq) this.waiting.push(frame);
      return [];
    }
    this.lastSeq = frame.seq;
    const released = [frame];
    const held = this.waiting;
    this.waiting = [];
    for (const next of held) released.push(...this.accept(next));
    return released;
  }
}
