import { PairJoiner } from '../../responder/contract/storable-text.js';

export interface Delta {
  /** Length of the text before it in UTF-16 code units. */
  offset: number;
  text: string;
}

/** The text of one answer: the part that was sent and the part that is pending. */
export class DeltaWriter {
  private readonly joiner = new PairJoiner();
  private sentLength: number;

  /** @param whole the text that earlier attempts have written and sent */
  constructor(private whole: string) {
    this.sentLength = whole.length;
  }

  get text(): string {
    return this.whole;
  }

  get hasPending(): boolean {
    return this.sentLength < this.whole.length;
  }

  /** Adds a piece from the model. Half of a surrogate pair at its end is held until the other half comes. */
  push(piece: string): void {
    this.whole += this.joiner.push(piece);
  }

  /** Called after the last piece. */
  end(): void {
    this.whole += this.joiner.end();
  }

  /** Everything that has not been sent yet. */
  pending(): Delta {
    return { offset: this.sentLength, text: this.whole.slice(this.sentLength) };
  }

  markSent({ offset, text }: Delta): void {
    this.sentLength = offset + text.length;
  }

  /** The delta may not have arrived: it becomes pending again, with everything after it. */
  takeBack({ offset }: Delta): void {
    this.sentLength = offset;
  }
}

/** At most 20 frames a second per message. */
export const FRAME_INTERVAL_MS = 50;
/** Timers fire slightly late: a frame sent this long after its slot may still use the next slot. */
const TOLERANCE_MS = 5;

/**
 * Milliseconds until the next frame may be sent. After the first, frames are sent at multiples of 50 ms of the
 * process's clock, the same for all answers, so that their writes to sockets and to Redis share system calls.
 */
export function delayToNextFrame(nowMs: number, lastMs: number): number {
  if (nowMs - lastMs >= 2 * FRAME_INTERVAL_MS) return 0;
  const slot = Math.ceil((lastMs - TOLERANCE_MS) / FRAME_INTERVAL_MS + 1) * FRAME_INTERVAL_MS;
  return Math.max(0, slot - nowMs);
}
