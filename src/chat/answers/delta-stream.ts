import { setTimeout as sleep } from 'node:timers/promises';
import { type Delta, delayToNextFrame, type DeltaWriter } from './delta-writer.js';
import type { RunCheckpoint } from './run-checkpoint.store.js';
import type { RunLease } from '../runs/run-lease.js';

/** Wait between two attempts to reach Redis. */
const RETRY_MS = 250;

/**
 * Sends the text of one answer while it is written. A piece is stored in the checkpoint before it is published, so
 * a node that takes over continues from at least the text that clients hold. While Redis is down, pieces wait.
 * Holds the state of one stream; `DeltaStreamService` creates it.
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
    /** Sends a piece to all subscribers. */
    private readonly tell: (delta: Delta) => void,
  ) {}

  get text(): string {
    return this.writer.text;
  }

  push(piece: string): void {
    this.writer.push(piece);
    this.start();
  }

  /** Resolves when everything was sent, or when Redis fails. */
  async flush(): Promise<void> {
    this.isFlushing = true;
    await this.loop;
    this.isFlushing = false;
  }

  /** Called after the last piece. */
  async end(): Promise<void> {
    this.writer.end();
    this.start();
    await this.flush();
  }

  /** Publishes text that could not be stored in the checkpoint. Call it only once Postgres has the whole text. */
  publishRest(): void {
    if (this.writer.hasPending) this.publish(this.writer.pending());
  }

  /** The answer has ended: lets its checkpoint expire. */
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
   * Stores and publishes in one turn of the event loop: the commands are sent in one write, and Redis executes them in
   * order. After a failure it publishes only once the text is stored, so that no client gets text that is not stored.
   */
  private async sendPending(): Promise<boolean> {
    const delta = this.writer.pending();
    const stored = this.checkpoint.append(delta.text, this.writer.text);
    if (!this.hasFailed) this.publish(delta);
    try {
      await stored;
    } catch {
      // The connection's owner has reported it. The delta is sent again; clients that have it already ignore it.
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
