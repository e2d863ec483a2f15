import type { AcceptedMessage, Message } from '../../protocol/resources.js';
import { toApiError, type ApiError } from './errors.js';
import type { OutgoingMessage } from './outbox.js';
import { randomId } from './random-id.js';

export interface PendingMessage {
  readonly clientMessageId: string;
  readonly content: string;
  readonly status: 'sending' | 'accepted' | 'failed';
  readonly error?: ApiError;
}

interface Entry extends PendingMessage {
  readonly outgoing: OutgoingMessage;
  readonly messageId?: string;
}

/** Own messages from the moment of sending until they appear in the conversation. */
export class PendingMessages {
  private entries: readonly Entry[] = [];

  constructor(
    private readonly send: (message: OutgoingMessage) => Promise<AcceptedMessage>,
    private readonly changed: () => void,
  ) {}

  /** The acknowledgement comes before or after the event with the message: an entry stays until the event. */
  unseen(messages: readonly Pick<Message, 'id' | 'client_message_id'>[]): readonly PendingMessage[] {
    this.entries = this.entries.filter(
      (entry) =>
        !messages.some(
          (message) => message.id === entry.messageId || message.client_message_id === entry.clientMessageId,
        ),
    );
    return this.entries;
  }

  add(conversationId: string, content: string): void {
    const clientMessageId = randomId();
    const outgoing = { conversation_id: conversationId, client_message_id: clientMessageId, content };
    const entry: Entry = { clientMessageId, content, status: 'sending', outgoing };
    this.entries = [...this.entries, entry];
    void this.deliver(entry);
  }

  /** Uses the old id, so that the server recognises a message that it already has. */
  resend(clientMessageId: string): void {
    const entry = this.entries.find((candidate) => candidate.clientMessageId === clientMessageId);
    if (entry?.status !== 'failed') return;
    const { error: _, ...rest } = entry;
    this.replace({ ...rest, status: 'sending' });
    void this.deliver(entry);
  }

  discard(clientMessageId: string): void {
    this.entries = this.entries.filter((entry) => entry.clientMessageId !== clientMessageId);
    this.changed();
  }

  private async deliver(entry: Entry): Promise<void> {
    this.changed();
    try {
      const accepted = await this.send(entry.outgoing);
      this.replace({ ...entry, status: 'accepted', messageId: accepted.message_id });
    } catch (thrown) {
      this.replace({ ...entry, status: 'failed', error: toApiError(thrown) });
    }
    this.changed();
  }

  private replace(next: Entry): void {
    this.entries = this.entries.map((entry) =>
      entry.clientMessageId === next.clientMessageId ? next : entry,
    );
  }
}
