import type { ServerFrame } from '../../protocol/messages.js';

/**
 * `fresh`: deliver it. `seen`: drop it. `gap`: something before it is missing, ask for it. `lost`: asking did not help,
 * the conversation must be loaded again.
 */
export type Verdict = 'fresh' | 'seen' | 'gap' | 'lost';

interface Subscription {
  /** `seq` of the last durable event that was delivered. */
  seq: number;
  /**
   * `asking` from a gap until the answer to `resume`, because events in between are repeated after it; `asked` from
   * then until the next event in order; `stale` until the owner subscribes again.
   */
  phase: 'live' | 'asking' | 'asked' | 'stale';
}

/** What the client has seen of each conversation it listens to, and where to resume. */
export class Subscriptions {
  private readonly entries = new Map<string, Subscription>();

  set(conversationId: string, seq: number): void {
    this.entries.set(conversationId, { seq, phase: 'live' });
  }

  remove(conversationId: string): boolean {
    return this.entries.delete(conversationId);
  }

  seqOf(conversationId: string): number | undefined {
    return this.entries.get(conversationId)?.seq;
  }

  ids(): string[] {
    return [...this.entries.keys()];
  }

  /** @returns false when it was already known, so that a gap is reported once. */
  markStale(conversationId: string): boolean {
    const entry = this.entries.get(conversationId);
    if (entry === undefined || entry.phase === 'stale') return false;
    entry.phase = 'stale';
    return true;
  }

  /** The answer to a `resume` has arrived: the missing events follow it. */
  markAsked(conversationId: string): void {
    const entry = this.entries.get(conversationId);
    if (entry?.phase === 'asking') entry.phase = 'asked';
  }

  /** Classifies a frame, and moves the cursor past a durable event that may be delivered. */
  accept(frame: ServerFrame): Verdict {
    const { conversation_id: id, seq } = frame;
    if (id === undefined || seq === undefined) return 'fresh';
    const entry = this.entries.get(id);
    if (entry === undefined || entry.phase === 'stale' || entry.phase === 'asking' || seq <= entry.seq) {
      return 'seen';
    }
    if (seq === entry.seq + 1) {
      entry.seq = seq;
      entry.phase = 'live';
      return 'fresh';
    }
    // Events are numbered without gaps, so a jump means that this socket missed some.
    if (entry.phase === 'asked') return 'lost';
    entry.phase = 'asking';
    return 'gap';
  }
}
