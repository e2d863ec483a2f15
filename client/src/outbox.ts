import type { ClientFrameData, ServerFrame } from '../../protocol/messages.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { isTooLarge, problemError, toApiError, type ApiError } from './errors.js';
import { startTimer, type Timer } from './time-limit.js';

export type OutgoingMessage = ClientFrameData['message.send'];

interface Entry {
  message: OutgoingMessage;
  /** The frame that carries it, on the socket that is open now. */
  frameId: string | undefined;
  /** It does not fit into a frame. */
  goesByHttp: boolean;
  /** True while it is on its way over HTTP. */
  isPosted: boolean;
  failures: number;
  refusals: number;
  /** Set while it waits to be sent again. */
  timer: Timer | undefined;
  resolve(accepted: AcceptedMessage): void;
  reject(error: ApiError): void;
}

/**
 * Sends a message as a frame and returns the frame's id, or `undefined` while no socket is open.
 * @throws ApiError `payload_too_large`, before anything is sent
 */
type Transmit = (message: OutgoingMessage) => string | undefined;

/** Sends a message that does not fit into a frame. */
type Post = (message: OutgoingMessage) => Promise<AcceptedMessage>;

const MAX_REFUSALS = 5;
const RESEND_MS = 1_000;
const MAX_RESEND_MS = 30_000;

/**
 * Messages without an acknowledgement. Sending one twice is safe: the server recognises its `client_message_id`, so
 * unacknowledged messages of a lost socket are sent again with the same id. A message that does not fit into a frame goes
 * over HTTP. So that a conversation keeps its order, that message waits for those before it, and those after it wait for it.
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
        goesByHttp: false,
        isPosted: false,
        failures: 0,
        refusals: 0,
        timer: undefined,
        resolve,
        reject,
      };
      this.entries.set(message.client_message_id, entry);
      this.advance();
    });
  }

  /** After a socket opened: sends everything unacknowledged, in the order of writing. */
  resend(): void {
    for (const entry of this.entries.values()) {
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.frameId = undefined;
    }
    this.advance();
  }

  /** The socket was closed because a frame was too large for it: the largest that was on the way goes over HTTP. */
  avoidLargest(): void {
    const sent = [...this.entries.values()].filter(
      ({ frameId, goesByHttp }) => frameId !== undefined && !goesByHttp,
    );
    const [largest] = sent.sort((a, b) => sizeOf(b.message) - sizeOf(a.message));
    if (largest !== undefined) largest.goesByHttp = true;
  }

  /** @returns true when the frame was the answer to one of the messages. */
  settle(frame: ServerFrame): boolean {
    if (frame.type === 'message.accepted') {
      const entry = this.entries.get(frame.data.client_message_id);
      if (entry === undefined) return false;
      this.accept(entry, frame.data);
      return true;
    }
    if (frame.type !== 'error' || frame.re === undefined) return false;
    const refused = [...this.entries.values()].find((entry) => entry.frameId === frame.re);
    if (refused === undefined) return false;
    this.refuse(refused, problemError(frame.data));
    return true;
  }

  rejectAll(error: ApiError): void {
    const entries = [...this.entries.values()];
    for (const entry of entries) this.remove(entry);
    for (const entry of entries) entry.reject(error);
  }

  /** Sends what may be sent now and is not on its way. */
  private advance(): void {
    const unsettled = new Set<string>();
    const held = new Set<string>();
    for (const entry of this.entries.values()) {
      const { conversation_id: id } = entry.message;
      const mayBegin = !held.has(id) && entry.timer === undefined;
      if (mayBegin && !entry.goesByHttp && entry.frameId === undefined) this.sendFrame(entry);
      if (mayBegin && entry.goesByHttp && !entry.isPosted && !unsettled.has(id)) void this.sendByPost(entry);
      unsettled.add(id);
      if (entry.goesByHttp) held.add(id);
    }
  }

  private sendFrame(entry: Entry): void {
    try {
      entry.frameId = this.transmit(entry.message);
    } catch (thrown) {
      if (!isTooLarge(thrown)) throw thrown;
      entry.goesByHttp = true;
    }
  }

  private async sendByPost(entry: Entry): Promise<void> {
    entry.isPosted = true;
    try {
      this.accept(entry, await this.post(entry.message));
    } catch (thrown) {
      entry.isPosted = false;
      // Its sender has given up meanwhile.
      if (this.entries.get(entry.message.client_message_id) === entry) this.refuse(entry, toApiError(thrown));
    }
  }

  private accept(entry: Entry, accepted: AcceptedMessage): void {
    this.remove(entry);
    entry.resolve(accepted);
    this.advance();
  }

  private refuse(entry: Entry, error: ApiError): void {
    entry.failures += 1;
    // A lost network refuses nothing: the message waits, like one that waits for a socket.
    if (error.kind !== 'connection') entry.refusals += 1;
    if (error.retry === 'none' || entry.refusals >= MAX_REFUSALS) {
      this.remove(entry);
      entry.reject(error);
      this.advance();
      return;
    }
    const growing = Math.min(MAX_RESEND_MS, RESEND_MS * 2 ** (entry.failures - 1));
    entry.timer = startTimer(error.retry === 'after' ? error.retryAfterMs : growing, () => {
      entry.timer = undefined;
      entry.frameId = undefined;
      this.advance();
    });
  }

  private remove(entry: Entry): void {
    clearTimeout(entry.timer);
    this.entries.delete(entry.message.client_message_id);
  }
}

function sizeOf(message: OutgoingMessage): number {
  return new TextEncoder().encode(JSON.stringify(message)).length;
}
