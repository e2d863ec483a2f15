import type { ServerFrameOf } from '../../../protocol/messages.js';
import type { DeltaFrame } from '../socket/delta-backlog.js';
import { encodeUtf8Frame, payloadOf } from '../socket/frame-encoding.js';

const NEWLINE = 0x0a;
/** What stands before the type, which is the first member of every frame. */
const TYPE_START = '{"type":"'.length;

/** Who has written a piece of text: of the attempts at one run the last one alone may. */
export interface Attempt {
  runId: string;
  attempt: number;
}

/** A frame on its way to the sockets of a conversation, which all get the same bytes. */
export class FeedFrame {
  private parsed: DeltaFrame | null | undefined;
  private named: string | undefined;

  /**
   * @param seq of durable events
   * @param bytes a whole WebSocket frame
   * @param writtenBy of pieces of text
   */
  constructor(
    readonly seq: number | undefined,
    readonly bytes: Buffer,
    readonly writtenBy?: Attempt,
  ) {}

  /** Read when the first socket needs it, once for all of them. */
  get type(): string {
    return (this.named ??= typeIn(payloadOf(this.bytes)));
  }

  /** The delta that it is, if it is one. Read when a socket needs it, once for all of them. */
  get delta(): DeltaFrame | undefined {
    this.parsed ??= this.readDelta();
    return this.parsed ?? undefined;
  }

  /** The attempt that takes over with this frame, if one does. */
  get takeover(): Attempt | undefined {
    if (this.seq === undefined || this.type !== 'run.takeover') return undefined;
    const { data } = JSON.parse(payloadOf(this.bytes).toString()) as ServerFrameOf<'run.takeover'>;
    return { runId: data.run_id, attempt: data.attempt };
  }

  private readDelta(): DeltaFrame | null {
    if (this.seq !== undefined || this.type !== 'message.delta') return null;
    return JSON.parse(payloadOf(this.bytes).toString()) as DeltaFrame;
  }
}

function typeIn(json: Buffer): string {
  return json.toString('latin1', TYPE_START, json.indexOf('"', TYPE_START));
}

/**
 * What goes through Redis: the `seq` of a durable event, or run and attempt of a piece of text, or nothing; a newline;
 * the frame's JSON.
 */
export function toFeedMessage(seq: number | undefined, json: string, writtenBy?: Attempt): string {
  const head = writtenBy === undefined ? (seq ?? '') : `${writtenBy.runId}/${writtenBy.attempt}`;
  return `${head}\n${json}`;
}

export function parseFeedMessage(message: Buffer): FeedFrame {
  const end = message.indexOf(NEWLINE);
  const bytes = encodeUtf8Frame(message.subarray(end + 1));
  if (end <= 0) return new FeedFrame(undefined, bytes);
  const head = message.toString('latin1', 0, end);
  const slash = head.indexOf('/');
  if (slash === -1) return new FeedFrame(Number(head), bytes);
  const writtenBy = { runId: head.slice(0, slash), attempt: Number(head.slice(slash + 1)) };
  return new FeedFrame(undefined, bytes, writtenBy);
}

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
  private waiting: FeedFrame[] = [];
  /** The last attempt that has taken a run over. */
  private successor: Attempt | undefined;

  /** Takes a frame and returns those that may go out now, in order. */
  accept(frame: FeedFrame): FeedFrame[] {
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
  giveUp(): FeedFrame[] {
    const frames = inOrder(this.waiting);
    this.waiting = [];
    for (const { seq } of frames) if (seq !== undefined) this.last = Math.max(this.last, seq);
    return frames;
  }

  private get hasBegun(): boolean {
    return Number.isFinite(this.last);
  }

  private isOvertaken({ writtenBy }: FeedFrame): boolean {
    if (writtenBy === undefined || writtenBy.runId !== this.successor?.runId) return false;
    return writtenBy.attempt < this.successor.attempt;
  }

  private acceptBehindGap(frame: FeedFrame): FeedFrame[] {
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
function inOrder(frames: readonly FeedFrame[]): FeedFrame[] {
  let seq = 0;
  return frames
    .map((frame) => ({ frame, place: (seq = frame.seq ?? seq) }))
    .sort((a, b) => a.place - b.place)
    .map(({ frame }) => frame);
}
