import type { ClientFrameData, ServerFrame } from '../../protocol/messages.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { problemError, type ApiError } from './errors.js';

export type OutgoingMessage = ClientFrameData['message.send'];

interface Entry {
  message: OutgoingMessage;
  frameId: string | undefined;
  refusals: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  resolve(accepted: AcceptedMessage): void;
  reject(error: ApiError): void;
}

/** Sends a message as a frame and gives the frame's id, or `undefined` while no socket is open. */
type Transmit = (message: OutgoingMessage) => string | undefined;

const MAX_REFUSALS = 5;
const RESEND_MS = 1_000;

/**
 * Messages without an acknowledgement. Sending one twice is safe: the server knows it by its `client_message_id`, so
 * whatever a lost socket left in doubt goes out again with the same id.
 */
export class Outbox {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly transmit: Transmit) {}

  add(message: OutgoingMessage): Promise<AcceptedMessage> {
    return new Promise((resolve, reject) => {
      const entry: Entry = { message, frameId: undefined, refusals: 0, timer: undefined, resolve, reject };
      this.entries.set(message.client_message_id, entry);
      this.send(entry);
    });
  }

  /** After a socket opened: everything unacknowledged, in the order in which it was written. */
  resend(): void {
    for (const entry of this.entries.values()) this.send(entry);
  }

  /** @returns true when the frame was the answer to one of the messages. */
  settle(frame: ServerFrame): boolean {
    if (frame.type === 'message.accepted') {
      const entry = this.entries.get(frame.data.client_message_id);
      if (entry === undefined) return false;
      this.remove(entry);
      entry.resolve(frame.data);
      return true;
    }
    if (frame.type !== 'error' || frame.re === undefined) return false;
    const refused = [...this.entries.values()].find((entry) => entry.frameId === frame.re);
    if (refused === undefined) return false;
    this.refuse(refused, problemError(frame.data));
    return true;
  }

  rejectAll(error: ApiError): void {
    for (const entry of [...this.entries.values()]) {
      this.remove(entry);
      entry.reject(error);
    }
  }

  private send(entry: Entry): void {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.frameId = this.transmit(entry.message);
  }

  private refuse(entry: Entry, error: ApiError): void {
    entry.refusals += 1;
    if (error.retry === 'none' || entry.refusals >= MAX_REFUSALS) {
      this.remove(entry);
      entry.reject(error);
      return;
    }
    const waitMs = error.retry === 'after' ? error.retryAfterMs : RESEND_MS * 2 ** (entry.refusals - 1);
    entry.timer = setTimeout(() => {
      this.send(entry);
    }, waitMs);
  }

  private remove(entry: Entry): void {
    clearTimeout(entry.timer);
    this.entries.delete(entry.message.client_message_id);
  }
}
