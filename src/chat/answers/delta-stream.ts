import { setTimeout as sleep } from 'node:timers/promises';
import { type Delta, delayToNextFrame, type DeltaWriter } from './delta-writer.js';
import type { RunCheckpoint } from './run-checkpoint.store.js';
import type { RunLease } from '../runs/run-lease.js';

/** Between two tries to reach Redis. */
const RETRY_MS = 250;

/**
 * Sends the text of one answer while it is written. A piece is stored in the checkpoint before it is published, so
 * nobody ever holds text that a node which takes over would not continue from. While Redis is down, pieces wait.
 * Holds the state of one stream; `DeltaStreamService` makes them.
 */
export class DeltaStream {
  private loop: Promise<void> | undefined;
  private lastSentMs = Number.NEGATIVE_INFINITY;
  private isFlushing = false;
  private hasFailed = false;

  constructor(
    private readonly writer: DeltaWriter,
    private readonly lease: RunLease,
    private readonly checkpoint: RunCheckpoint,
    /** Brings a piece to everybody who watches. */
    private readonly tell: (delta: Delta) => void,
  ) {}

  get text(): string {
    return this.writer.text;
  }

  push(piece: string): void {
    this.writer.push(piece);
    this.start();
  }

  /** Resolves when everything was sent, or when Redis does not let it. */
  async flush(): Promise<void> {
    this.isFlushing = true;
    await this.loop;
    this.isFlushing = false;
  }

  /** No more pieces come. */
  async end(): Promise<void> {
    this.writer.end();
    this.start();
    await this.flush();
  }

  /** Publishes what could not be stored in the checkpoint. Only once Postgres has the whole text. */
  publishRest(): void {
    if (this.writer.hasPending) this.publish(this.writer.pending());
  }

  /** The answer has ended: its checkpoint may go. */
  async close(): Promise<void> {
    await this.checkpoint.end();
  }

  private start(): void {
    this.loop ??= this.send().finally(() => {
      this.loop = undefined;
    });
  }

  private async send(): Promise<void> {
    while (this.writer.hasPending && this.lease.isHeld) {
      const delay = delayToNextFrame(performance.now(), this.lastSentMs);
      if (delay > 0) {
        await sleep(delay);
      } else if (!(await this.sendPending())) {
        if (this.isFlushing) return;
        await sleep(RETRY_MS);
      }
    }
  }

  /**
   * Stores and publishes in one turn of the event loop: the commands leave in one write, and Redis executes them in
   * their order. After a failure one at a time, so that nobody is told what nobody could store.
   */
  private async sendPending(): Promise<boolean> {
    const delta = this.writer.pending();
    const stored = this.checkpoint.append(delta.text, this.writer.text);
    if (!this.hasFailed) this.publish(delta);
    try {
      await stored;
    } catch {
      // Whoever owns the connection has told of it. Sent again from here on, which changes nothing for those who have it.
      this.hasFailed = true;
      this.writer.takeBack(delta);
      return false;
    }
    if (this.hasFailed && this.lease.isHeld) this.publish(delta);
    this.hasFailed = false;
    return true;
  }

  private publish(delta: Delta): void {
    this.lastSentMs = performance.now();
    this.writer.markSent(delta);
    this.tell(delta);
  }
}
