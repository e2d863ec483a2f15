import type { ServerFrame, ServerFrameData } from '../../protocol/messages.js';
import type { Link, LinkEnd, LinkHandlers, Ready } from './link.js';
import { startTimer, type Timer } from './time-limit.js';

export interface HandoffHandlers {
  /** Dials with the handoff ticket. */
  dial(handlers: LinkHandlers): Link;
  /** The next link is ready and is used from now on. */
  moved(link: Link, ready: Ready): void;
  frame(link: Link, frame: ServerFrame): void;
  ended(link: Link, end: LinkEnd): void;
  /** The old link is not needed any more. */
  letGo(link: Link): void;
  /** The ticket could not be used. */
  failed(): void;
}

const MAX_DIALS = 3;
const REDIAL_MS = 500;
/** A server closes the old link as soon as it sees the next one. */
const LET_GO_MS = 10_000;

/**
 * One move to another node, requested by the server with `server.draining`: waits for the slot, dials with the ticket
 * from that frame, then closes the old link. Makes no HTTP request.
 */
export class Handoff {
  private timer: Timer | undefined;
  private dialled: Link | undefined;
  private dials = 0;
  private hasMoved = false;
  private readonly endsAtMs: number;

  constructor(
    offer: ServerFrameData['server.draining'],
    private readonly old: Link,
    private readonly handlers: HandoffHandlers,
    private readonly random: () => number,
  ) {
    this.endsAtMs = Date.now() + offer.deadline_ms;
    this.timer = startTimer(offer.connect_after_ms, () => this.dial());
  }

  /** True while the next link is connecting: the server may close the old link before the next one is ready. */
  get isDialling(): boolean {
    return this.dialled !== undefined;
  }

  /** Ends the move and everything it has opened, except the link it moved to. */
  cancel(): void {
    clearTimeout(this.timer);
    this.dialled?.close();
    this.dialled = undefined;
    if (this.hasMoved) this.handlers.letGo(this.old);
  }

  private dial(): void {
    this.dials += 1;
    const link = this.handlers.dial({
      ready: (ready) => this.move(link, ready),
      frame: (frame) => this.handlers.frame(link, frame),
      ended: (end) => {
        if (end.wasReady) this.handlers.ended(link, end);
        else this.dialAgain();
      },
    });
    this.dialled = link;
  }

  private move(link: Link, ready: Ready): void {
    this.dialled = undefined;
    this.hasMoved = true;
    this.timer = setTimeout(() => this.handlers.letGo(this.old), LET_GO_MS);
    this.handlers.moved(link, ready);
  }

  /** A draining node refuses a ticket without consuming it; page code cannot tell that from a used ticket. */
  private dialAgain(): void {
    this.dialled = undefined;
    const waitMs = REDIAL_MS * (1 + this.random());
    if (this.dials >= MAX_DIALS || Date.now() + waitMs >= this.endsAtMs) this.handlers.failed();
    else this.timer = setTimeout(() => this.dial(), waitMs);
  }
}
