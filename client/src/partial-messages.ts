import { LIMITS, type PartialMessage, type ServerFrame } from '../../protocol/messages.js';

interface Entry {
  conversationId: string;
  /** UTF-16 code units that have arrived. */
  offset: number;
}

/**
 * How much has arrived of the answers in progress. An answer that ends while no socket is open is no longer in progress
 * when the next socket resumes: this tells the server that its rest is missing here.
 */
export class PartialMessages {
  private readonly entries = new Map<string, Entry>();
  /** The answer that ended last in a conversation: the rest of a long text still comes as deltas after its snapshot. */
  private readonly ended = new Map<string, string>();

  of(conversationId: string): PartialMessage[] {
    const own = [...this.entries].filter(([, entry]) => entry.conversationId === conversationId);
    return own
      .slice(-LIMITS.maxResumeCursors)
      .map(([messageId, { offset }]) => ({ message_id: messageId, offset }));
  }

  /** Takes a frame that is delivered. */
  note(frame: ServerFrame): void {
    const { conversation_id: conversationId } = frame;
    if (conversationId === undefined) return;
    if (frame.type === 'message.created') {
      if (frame.data.message.status === 'streaming') this.set(conversationId, frame.data.message.id, 0);
    } else if (frame.type === 'message.delta') {
      this.set(conversationId, frame.data.message_id, frame.data.offset + frame.data.text.length);
    } else if (frame.type === 'message.snapshot' && frame.data.status === 'streaming') {
      this.set(conversationId, frame.data.message_id, frame.data.text.length);
    } else if (
      frame.type === 'message.snapshot' ||
      frame.type === 'run.completed' ||
      frame.type === 'run.failed' ||
      frame.type === 'run.cancelled'
    ) {
      this.end(conversationId, frame.data.message_id);
    }
  }

  forget(conversationId: string): void {
    for (const [id, entry] of this.entries)
      if (entry.conversationId === conversationId) this.entries.delete(id);
    this.ended.delete(conversationId);
  }

  private set(conversationId: string, id: string, offset: number): void {
    if (this.ended.get(conversationId) !== id) this.entries.set(id, { conversationId, offset });
  }

  private end(conversationId: string, id: string): void {
    this.entries.delete(id);
    this.ended.set(conversationId, id);
  }
}
