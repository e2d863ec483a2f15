import type { ServerFrame } from '../../protocol/messages.js';

/** `fresh` deliver it, `seen` drop it, `gap` something before it is missing. */
export type Verdict = 'fresh' | 'seen' | 'gap';

interface Subscription {
  /** `seq` of the last durable event that was delivered. */
  seq: number;
  /** True from a gap until the owner subscribes again: what comes meanwhile would be out of order. */
  isStale: boolean;
}

/** What the client has seen of each conversation it listens to; the place to resume from. */
export class Subscriptions {
  private readonly entries = new Map<string, Subscription>();

  set(conversationId: string, seq: number): void {
    this.entries.set(conversationId, { seq, isStale: false });
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

  /** @returns false when it was known already, so that a gap is reported once. */
  markStale(conversationId: string): boolean {
    const entry = this.entries.get(conversationId);
    if (entry === undefined || entry.isStale) return false;
    entry.isStale = true;
    return true;
  }

  /** Judges a frame, and moves the cursor over a durable event that may be delivered. */
  accept(frame: ServerFrame): Verdict {
    const { conversation_id: id, seq } = frame;
    if (id === undefined || seq === undefined) return 'fresh';
    const entry = this.entries.get(id);
    if (entry === undefined || entry.isStale || seq <= entry.seq) return 'seen';
    // Events are numbered without holes, so a jump means that this socket missed some.
    if (seq > entry.seq + 1) return 'gap';
    entry.seq = seq;
    return 'fresh';
  }
}
