import { PairJoiner } from '../../responder/contract/storable-text.js';

export interface Delta {
  /** UTF-16 code units of the text before it. */
  offset: number;
  text: string;
}

/** The text of one answer: what was sent of it, and what waits to be. */
export class DeltaWriter {
  private readonly joiner = new PairJoiner();
  private sentLength: number;

  /** @param whole what earlier attempts have written and sent */
  constructor(private whole: string) {
    this.sentLength = whole.length;
  }

  get text(): string {
    return this.whole;
  }

  get hasPending(): boolean {
    return this.sentLength < this.whole.length;
  }

  /** Adds a piece as the model gave it. Half of a surrogate pair at its end waits for its other half. */
  push(piece: string): void {
    this.whole += this.joiner.push(piece);
  }

  /** No more pieces come. */
  end(): void {
    this.whole += this.joiner.end();
  }

  /** Everything that was not sent yet. */
  pending(): Delta {
    return { offset: this.sentLength, text: this.whole.slice(this.sentLength) };
  }

  markSent({ offset, text }: Delta): void {
    this.sentLength = offset + text.length;
  }

  /** It is not known to have arrived: it waits again, with all after it. */
  takeBack({ offset }: Delta): void {
    this.sentLength = offset;
  }
}

/** At most 20 frames a second per message. */
export const FRAME_INTERVAL_MS = 50;
/** Timers fire late by a little: a frame that left this much after its slot still has the next one. */
const TOLERANCE_MS = 5;

/**
 * Milliseconds until the next frame may leave. After the first, frames leave at multiples of 50 ms of the process's
 * clock, the same for all answers: what they write to sockets and to Redis then shares its system calls.
 */
export function delayToNextFrame(nowMs: number, lastMs: number): number {
  if (nowMs - lastMs >= 2 * FRAME_INTERVAL_MS) return 0;
  const slot = Math.ceil((lastMs - TOLERANCE_MS) / FRAME_INTERVAL_MS + 1) * FRAME_INTERVAL_MS;
  return Math.max(0, slot - nowMs);
}
