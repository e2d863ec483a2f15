import { background } from '../../observability/background.js';
import type { AppLogger } from '../../observability/logger.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { frameJson } from '../socket/frame-json.js';
import { ConversationFeed } from './conversation-feed.js';
import { parseFeedMessage, toFeedMessage } from './feed-message.js';
import type { SharedFrame } from '../socket/shared-frame.js';
import type { FrameReply } from '../socket/frame-reply.js';
import { Subscription } from './subscription.js';

/** How long later frames wait for an earlier one that another node has stored but not published yet. */
const GAP_TIMEOUT_MS = 250;
/** Frames that wait for a missing one, at most, and events that are read for one hole. */
const MAX_WAITING_FRAMES = 1000;

/** Events that no message brought: those of a hole, or those stored since a time, where nobody knows what came last. */
export type Missed = { fromSeq: number; toSeq: number } | { sinceMs: number };

/** Reads what was missed from the log, in order, and behind it where the answer in progress stands. */
export type MissedReader = (conversationId: string, missed: Missed) => Promise<FrameReply[]>;

/** One conversation on this node: brings its frames into order, and to every socket that watches it. */
export class ConversationChannel {
  private readonly subscriptions = new Map<AuthenticatedSocket, Subscription>();
  private readonly feed = new ConversationFeed();
  private gapTimer: NodeJS.Timeout | undefined;
  /** Frames that wait until what was missed before them has been read. */
  private arrived: SharedFrame[] | undefined;
  private isRecovering = false;
  private isLost = false;
  /** Until it is recovered: since when messages are missed, in milliseconds since the epoch. */
  private missedSinceMs: number | undefined;

  constructor(
    private readonly conversationId: string,
    /** Resolves when Redis sends us the frames of this conversation. */
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

  /** The socket watches, if it did not before, and gets nothing until `release`. */
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

  /** Takes a message as it came through Redis. */
  receive(message: Buffer): void {
    for (const frame of parseFeedMessage(message)) {
      if (this.arrived === undefined) this.accept(frame);
      else if (this.arrived.length < MAX_WAITING_FRAMES) this.arrived.push(frame);
    }
  }

  /**
   * The connection to Redis is lost. What comes once it is there again waits for `recover`: a piece of text in front of
   * what was missed would leave a hole in the text that the sockets hold.
   */
  connectionLost(): void {
    this.isLost = true;
    this.arrived ??= [];
  }

  /**
   * The connection to Redis was lost: reads from the log what was said meanwhile. Where that fails frames go on waiting.
   * @param sinceMs when it was last known to be there, in milliseconds since the epoch
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
    // Lost once more while it read: the next recovery lets go of what comes.
    this.arrived = this.isLost ? [] : undefined;
    for (const frame of arrived) this.accept(frame);
  }

  /** To every socket of this node. Not a part of the order of the conversation: true at this moment only. */
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
   * Messages were lost on their way: the events are read from the log, each hole once. Where that does not help, the
   * sockets go on without them, see the hole in `seq`, and ask for it themselves.
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
    }
  }

  private async read(missed: Missed): Promise<void> {
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
      for (const subscription of this.subscriptions.values()) subscription.deliver(frame);
    }
  }

  /** Whoever else watches may still wait for an event that this socket has read from the log. */
  private caughtUp(seq: number): void {
    if (this.subscriptions.size === 1) this.feed.beginAfter(seq);
  }
}
