import { background } from '../../observability/background.js';
import type { AppLogger } from '../../observability/logger.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { frameJson } from '../socket/frame-json.js';
import { ConversationFeed } from './conversation-feed.js';
import { parseFeedMessage, toFeedMessage } from './feed-message.js';
import type { SharedFrame } from '../socket/shared-frame.js';
import type { FrameReply } from '../socket/frame-reply.js';
import { ShownText } from './shown-text.js';
import { Subscription } from './subscription.js';

/** How long later frames wait for an earlier one that another node has stored but not published yet. */
const GAP_TIMEOUT_MS = 250;
/** Limit for frames that wait for a missing one, and for events that are read for one gap. */
const MAX_WAITING_FRAMES = 1000;

/** Events that were not received: those of a gap, or those stored since a time if the last `seq` is unknown. */
export type Missed = { fromSeq: number; toSeq: number } | { sinceMs: number };

/** Reads missed events from the log, in order, followed by the current state of the answer in progress. */
export type MissedReader = (conversationId: string, missed: Missed) => Promise<FrameReply[]>;

/** One conversation on this node: puts its frames in order and sends them to every socket that watches it. */
export class ConversationChannel {
  private readonly subscriptions = new Map<AuthenticatedSocket, Subscription>();
  private readonly feed = new ConversationFeed();
  private gapTimer: NodeJS.Timeout | undefined;
  /** Frames that wait until the events missed before them have been read. */
  private arrived: SharedFrame[] | undefined;
  private isRecovering = false;
  /** What was sent since missed frames began to be read, until those that waited are sent. */
  private shown: ShownText | undefined;
  private isLost = false;
  /** Since when messages have been missed, in milliseconds since the epoch; set until recovered. */
  private missedSinceMs: number | undefined;

  constructor(
    private readonly conversationId: string,
    /** Resolves when this node is subscribed to the conversation in Redis. */
    readonly isListening: Promise<unknown>,
    private readonly readMissed: MissedReader,
    private readonly logger: AppLogger,
  ) {}

  get sockets(): AuthenticatedSocket[] {
    return [...this.subscriptions.keys()];
  }

  get isEmpty(): boolean {
    return this.subscriptions.size === 0;
  }

  has(socket: AuthenticatedSocket): boolean {
    return this.subscriptions.has(socket);
  }

  /** Adds the socket if it does not watch yet. It gets no frames until `release`. */
  hold(socket: AuthenticatedSocket): Subscription {
    let subscription = this.subscriptions.get(socket);
    if (subscription === undefined) {
      subscription = new Subscription(socket, (seq) => this.caughtUp(seq));
      this.subscriptions.set(socket, subscription);
    }
    subscription.holdBack();
    return subscription;
  }

  remove(socket: AuthenticatedSocket): void {
    this.subscriptions.delete(socket);
  }

  /** Takes a message from Redis. */
  receive(message: Buffer): void {
    for (const frame of parseFeedMessage(message)) {
      if (this.arrived === undefined) this.accept(frame);
      else if (this.arrived.length < MAX_WAITING_FRAMES) this.arrived.push(frame);
    }
  }

  /**
   * The connection to Redis was lost. Frames that arrive once it is back wait for `recover`: a piece of text sent
   * before the missed ones would leave a gap in the clients' text.
   */
  connectionLost(): void {
    this.isLost = true;
    this.arrived ??= [];
  }

  /**
   * Reads the events missed while the connection to Redis was lost. If that fails, frames keep waiting.
   * @param sinceMs when the connection was last known to work, in milliseconds since the epoch
   */
  async recover(sinceMs: number): Promise<void> {
    this.missedSinceMs = Math.min(this.missedSinceMs ?? sinceMs, sinceMs);
    if (this.isRecovering) return;
    this.isRecovering = true;
    this.isLost = false;
    const arrived = (this.arrived ??= []);
    const { lastSeq } = this.feed;
    try {
      await this.read(
        lastSeq === undefined
          ? { sinceMs: this.missedSinceMs }
          : { fromSeq: lastSeq + 1, toSeq: lastSeq + MAX_WAITING_FRAMES },
      );
    } finally {
      this.isRecovering = false;
    }
    this.missedSinceMs = undefined;
    // If the connection was lost again meanwhile, the next recovery releases the frames that arrive.
    this.arrived = this.isLost ? [] : undefined;
    for (const frame of arrived) this.accept(frame);
    this.shown = undefined;
  }

  /** Sends a frame to every socket of this node at once, outside of the conversation's order. */
  tell(frame: SharedFrame): void {
    this.deliver([frame]);
  }

  stop(): void {
    clearTimeout(this.gapTimer);
  }

  private accept(frame: SharedFrame): void {
    this.deliver(this.feed.accept(frame));
    if (this.feed.waitingCount > MAX_WAITING_FRAMES) this.giveUp();
    if (this.feed.waitingCount > 0) {
      this.gapTimer ??= setTimeout(
        () => background(this.mend(), this.logger, 'fanout.mend_failed'),
        GAP_TIMEOUT_MS,
      );
    } else {
      clearTimeout(this.gapTimer);
      this.gapTimer = undefined;
    }
  }

  /**
   * Reads the events of lost messages from the log, each gap once. Where that fails, the sockets continue without them:
   * the clients see the gap in `seq` and ask for it.
   */
  private async mend(): Promise<void> {
    try {
      let before = 0;
      for (let { hole } = this.feed; hole !== undefined && hole.fromSeq > before; { hole } = this.feed) {
        before = hole.fromSeq;
        await this.read(hole);
      }
    } finally {
      this.gapTimer = undefined;
      this.giveUp();
      this.shown = undefined;
    }
  }

  private async read(missed: Missed): Promise<void> {
    this.shown ??= new ShownText();
    const frames = await this.readMissed(this.conversationId, missed);
    for (const frame of frames) {
      const message = Buffer.from(toFeedMessage(frame.seq, frameJson(frame)));
      for (const shared of parseFeedMessage(message)) this.deliver(this.feed.accept(shared));
    }
    this.logger.info('fanout.read', {
      conversation_id: this.conversationId,
      ...missed,
      frames: frames.length,
    });
  }

  private giveUp(): void {
    const { hole } = this.feed;
    if (hole === undefined) return;
    this.logger.warn('fanout.hole', { conversation_id: this.conversationId, ...hole });
    this.deliver(this.feed.giveUp());
  }

  private deliver(frames: readonly SharedFrame[]): void {
    for (const frame of frames) {
      if (this.shown?.admits(frame) === false) continue;
      for (const subscription of this.subscriptions.values()) subscription.deliver(frame);
    }
  }

  /** Other sockets may still wait for an event that this one has read from the log. */
  private caughtUp(seq: number): void {
    if (this.subscriptions.size === 1) this.feed.beginAfter(seq);
  }
}
