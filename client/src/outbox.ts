import { type ClientFrameData, LIMITS, type ServerFrame } from '../../protocol/messages.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { problemError, toApiError, type ApiError } from './errors.js';

export type OutgoingMessage = ClientFrameData['message.send'];

interface Entry {
  message: OutgoingMessage;
  frameId: string | undefined;
  refusals: number;
  /** True while it is sent over HTTP. */
  isPosted: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
  resolve(accepted: AcceptedMessage): void;
  reject(error: ApiError): void;
}

/** Sends a message as a frame and returns the frame's id, or `undefined` while no socket is open. */
type Transmit = (message: OutgoingMessage) => string | undefined;

/** Sends a message that does not fit into a frame. */
type Post = (message: OutgoingMessage) => Promise<AcceptedMessage>;

const MAX_REFUSALS = 5;
const RESEND_MS = 1_000;
/** Bytes reserved in a frame for its type and id. */
const ENVELOPE_BYTES = 256;

/**
 * Messages without an acknowledgement. Sending one twice is safe: the server recognises its `client_message_id`, so
 * unacknowledged messages of a lost socket are sent again with the same id.
 */
export class Outbox {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly transmit: Transmit,
    private readonly post: Post,
  ) {}

  add(message: OutgoingMessage): Promise<AcceptedMessage> {
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        message,
        frameId: undefined,
        refusals: 0,
        isPosted: false,
        timer: undefined,
        resolve,
        reject,
      };
      this.entries.set(message.client_message_id, entry);
      this.send(entry);
    });
  }

  /** After a socket opened: sends everything unacknowledged, in the order of writing. */
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
    if (fitsIntoFrame(entry.message)) entry.frameId = this.transmit(entry.message);
    else if (!entry.isPosted) void this.sendByPost(entry);
  }

  private async sendByPost(entry: Entry): Promise<void> {
    entry.isPosted = true;
    try {
      const accepted = await this.post(entry.message);
      this.remove(entry);
      entry.resolve(accepted);
    } catch (thrown) {
      entry.isPosted = false;
      // Its sender has given up meanwhile.
      if (this.entries.get(entry.message.client_message_id) === entry) this.refuse(entry, toApiError(thrown));
    }
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

function fitsIntoFrame(message: OutgoingMessage): boolean {
  const bytes = new TextEncoder().encode(JSON.stringify(message)).length;
  return bytes + ENVELOPE_BYTES <= LIMITS.maxFrameBytes;
}
