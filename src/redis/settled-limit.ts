import type { RedisClient } from './redis-client.js';
import { redisNow } from './redis-clock.js';
import { WriteBatch } from '../resilience/write-batch.js';

/** How long other nodes may not know of a use. */
const SETTLE_DELAY_MS = 250;
const MAX_PER_WRITE = 500;
/** Subjects with a window in progress: about 20 MiB. */
const MAX_SUBJECTS = 100_000;
const SWEEP_INTERVAL_MS = 10_000;

/** The uses of one subject in the window that began with the first of them. */
interface Window {
  subject: string;
  endsAtMs: number;
  /** Uses that Redis has counted, on all nodes. */
  settled: number;
  /** Uses on this node that Redis has not counted yet; less than none when some were taken back. */
  unsettled: number;
  isKnownToRedis: boolean;
}

export interface Use {
  isOver: boolean;
  remaining: number;
  resetMs: number;
}

/** Uses of a subject on one node that no other node needs to know of: this share of the limit. */
const UNTOLD_SHARE = 0.1;

/**
 * A limit per window that costs no round trip: uses are counted in memory. From a tenth of the limit on, what a subject
 * does is added to Redis four times a second, in one command, which returns what all nodes have counted. So a subject
 * may exceed the limit by a tenth per other node, and by what it does there within 250 ms.
 */
export class SettledLimit {
  private readonly windows = new Map<string, Window>();
  private sweepAtMs = 0;
  private readonly toldFrom: number;
  private readonly batch: WriteBatch<Window>;

  /**
   * @param keyOf the Redis key of a subject
   * @param run sends commands
   */
  constructor(
    readonly points: number,
    private readonly windowMs: number,
    private readonly keyOf: (subject: string) => string,
    private readonly run: <T>(call: (redis: RedisClient) => Promise<T>) => Promise<T>,
  ) {
    this.toldFrom = points * UNTOLD_SHARE;
    this.batch = new WriteBatch<Window>({
      delayMs: SETTLE_DELAY_MS,
      maxPerWrite: MAX_PER_WRITE,
      maxWaiting: MAX_SUBJECTS,
      write: (windows) => this.settle(windows),
      // The breaker reports it; the uses stay counted here, and are added with the next.
      failed: () => undefined,
      dropped: () => undefined,
    });
  }

  /** Counts one use, unless the subject is over its limit. */
  take(subject: string): Use {
    const now = redisNow();
    const window = this.windowOf(subject, now);
    const used = window.settled + window.unsettled;
    const resetMs = Math.max(1, window.endsAtMs - now);
    if (used >= this.points) return { isOver: true, remaining: 0, resetMs };
    window.unsettled += 1;
    if (used + 1 >= this.toldFrom) this.batch.put(subject, window);
    return { isOver: false, remaining: this.points - used - 1, resetMs };
  }

  /** Takes back one use: it came to nothing. */
  giveBack(subject: string): void {
    const window = this.windows.get(subject);
    if (window === undefined || window.settled + window.unsettled <= 0) return;
    window.unsettled -= 1;
    if (window.isKnownToRedis) this.batch.put(subject, window);
  }

  private windowOf(subject: string, now: number): Window {
    const known = this.windows.get(subject);
    if (known !== undefined && now < known.endsAtMs) return known;
    this.sweep(now);
    const window = {
      subject,
      endsAtMs: now + this.windowMs,
      settled: 0,
      unsettled: 0,
      isKnownToRedis: false,
    };
    this.windows.delete(subject);
    this.windows.set(subject, window);
    return window;
  }

  /** Forgets windows that have ended, and the oldest beyond the bound. */
  private sweep(now: number): void {
    if (this.windows.size >= MAX_SUBJECTS) {
      const [oldest] = this.windows.keys();
      if (oldest !== undefined) this.windows.delete(oldest);
    }
    if (now < this.sweepAtMs) return;
    this.sweepAtMs = now + SWEEP_INTERVAL_MS;
    for (const [subject, { endsAtMs }] of this.windows) if (endsAtMs <= now) this.windows.delete(subject);
  }

  private async settle(windows: readonly Window[]): Promise<void> {
    const now = redisNow();
    const open = windows.filter(({ endsAtMs, unsettled }) => unsettled !== 0 && now < endsAtMs);
    await this.run((redis) => Promise.all(open.map((window) => this.settleOne(redis, window))));
  }

  private async settleOne(redis: RedisClient, window: Window): Promise<void> {
    const key = this.keyOf(window.subject);
    const uses = window.unsettled;
    const begin = window.isKnownToRedis
      ? []
      : // Another node may have begun the window.
        [redis.set(key, 0, 'PX', Math.ceil(this.windowMs), 'NX')];
    const [total, leftMs] = await Promise.all([
      redis.incrby(key, uses),
      window.isKnownToRedis ? undefined : redis.pttl(key),
      ...begin,
    ]);
    window.unsettled -= uses;
    window.settled = total;
    if (leftMs !== undefined) {
      window.isKnownToRedis = true;
      if (leftMs > 0) window.endsAtMs = redisNow() + leftMs;
    }
    // The key expired in between, or Redis lost it: it must not stay for ever.
    if (window.isKnownToRedis && total === uses) await redis.pexpire(key, Math.ceil(this.windowMs));
  }
}
