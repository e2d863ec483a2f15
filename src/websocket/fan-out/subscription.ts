import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import type { SharedFrame } from '../socket/shared-frame.js';
import { ShownText } from './shown-text.js';

/** Frames held back for one socket while it catches up; a socket that has more is closed and must reconnect. */
const MAX_HELD_FRAMES = 2000;

/** One socket's subscription to one conversation. Frames are held back until earlier ones have been sent. */
export class Subscription {
  private held: SharedFrame[] | undefined = [];
  private lastSeq = 0;

  constructor(
    readonly socket: AuthenticatedSocket,
    private readonly onCaughtUp: (seq: number) => void,
  ) {}

  /** Holds back frames until `release`. */
  holdBack(): void {
    this.held ??= [];
  }

  deliver(frame: SharedFrame): void {
    if (this.held !== undefined) {
      if (this.held.length >= MAX_HELD_FRAMES) this.socket.endWith('slow_consumer');
      else this.held.push(frame);
      return;
    }
    if (frame.seq !== undefined) {
      if (frame.seq <= this.lastSeq) return;
      this.lastSeq = frame.seq;
    }
    this.socket.sendShared(frame);
  }

  /**
   * Sends the held frames, except durable events with `seq` up to `uptoSeq`, and stops holding frames back.
   * @param uptoSeq last `seq` in the log when it was read; `undefined` if it was not read.
   * @param shown the text that the socket got while frames were held
   */
  release(uptoSeq: number | undefined, shown = new ShownText()): void {
    if (uptoSeq !== undefined) this.onCaughtUp(uptoSeq);
    const frames = this.held ?? [];
    this.held = undefined;
    this.lastSeq = Math.max(this.lastSeq, uptoSeq ?? 0);
    for (const frame of frames) if (shown.admits(frame)) this.deliver(frame);
  }
}
