import type {
  ClientFrameData,
  ClientFrameType,
  ServerFrame,
  ServerFrameData,
} from '../../protocol/messages.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { networkError, problemError, toApiError, type ApiError } from './errors.js';
import type { Link } from './link.js';
import { Outbox, type OutgoingMessage } from './outbox.js';
import { PartialMessages } from './partial-messages.js';
import { Requests } from './requests.js';
import { Subscriptions } from './subscriptions.js';
import { startTimer, type Timer } from './time-limit.js';

export interface ExchangeHandlers {
  /** Sends a message over HTTP when it is too long for a frame. */
  post(message: OutgoingMessage): Promise<AcceptedMessage>;
  frame(frame: ServerFrame): void;
  stale(conversationId: string): void;
  error(error: ApiError): void;
}

const RESUME_AGAIN_MS = 1_000;

/** Subscriptions and requests over successive links: it outlives each of them. */
export class Exchange {
  private link: Link | undefined;
  private readonly subscriptions = new Subscriptions();
  private readonly partials = new PartialMessages();
  private readonly requests: Requests;
  private readonly timers = new Set<Timer>();
  private readonly outbox: Outbox;

  constructor(
    private readonly handlers: ExchangeHandlers,
    requestTimeoutMs: number,
  ) {
    this.requests = new Requests(requestTimeoutMs);
    const transmit = (message: OutgoingMessage) => this.link?.send('message.send', message);
    this.outbox = new Outbox(transmit, (message) => handlers.post(message));
  }

  /**
   * A link is ready: resumes every conversation after its last event, then resends unacknowledged messages. The
   * previous link may still be open: see `settle`.
   */
  attach(link: Link): void {
    this.link = link;
    for (const id of this.subscriptions.ids()) this.resume(id);
    this.outbox.resend();
  }

  /** The link was lost; subscriptions and unacknowledged messages wait for the next one. */
  detach(link: Link): void {
    this.requests.rejectOf(link, networkError('The connection was lost'));
    if (link !== this.link) return;
    this.link = undefined;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  /** The link was closed because a frame was too large for it: on the next one that must not happen again. */
  avoidLargest(): void {
    this.outbox.avoidLargest();
  }

  /** There will be no next link. */
  end(error: ApiError): void {
    if (this.link !== undefined) this.detach(this.link);
    this.outbox.rejectAll(error);
  }

  subscribe(conversationId: string, afterSeq: number): void {
    this.subscriptions.set(conversationId, afterSeq);
    this.resume(conversationId);
  }

  /** Asks for what came after the last event. Unlike `subscribe`, `resume` also brings the text of a run in progress. */
  resume(id: string): void {
    const seq = this.subscriptions.seqOf(id);
    if (this.link === undefined || seq === undefined) return;
    // One frame per conversation, so that a refusal names the conversation.
    const partials = this.partials.of(id);
    const cursor = { conversation_id: id, seq, ...(partials.length > 0 && { partials }) };
    const answer = this.request('resume', { cursors: [cursor] });
    this.background(answer, (error) => {
      if (error.retry === 'none') this.subscriptions.remove(id);
      else this.resumeLater(id, error.retryAfterMs);
    });
  }

  unsubscribe(conversationId: string): void {
    if (!this.forget(conversationId)) return;
    if (this.link !== undefined) {
      this.background(this.request('unsubscribe', { conversation_id: conversationId }));
    }
  }

  send(message: OutgoingMessage): Promise<AcceptedMessage> {
    return this.outbox.add(message);
  }

  /** @throws ApiError */
  async request<T extends ClientFrameType>(type: T, data: ClientFrameData[T]): Promise<ServerFrame> {
    if (this.link === undefined) throw networkError('There is no connection at the moment');
    return this.requests.open(this.link.send(type, data), this.link);
  }

  receive(frame: ServerFrame): void {
    const isAnswer = this.settle(frame);
    if (frame.type === 'error' && !isAnswer) this.handlers.error(problemError(frame.data));
    if (frame.type === 'resumed') this.resumed(frame.data);
    if (frame.type === 'unsubscribed' && frame.data.reason !== undefined)
      this.forget(frame.data.conversation_id);
    const verdict = this.subscriptions.accept(frame);
    if (verdict === 'fresh') {
      this.partials.note(frame);
      this.handlers.frame(frame);
    }
    if (frame.conversation_id === undefined) return;
    // Ask only once, then load over HTTP: asking again would not bring what the server does not have.
    if (verdict === 'gap') this.resume(frame.conversation_id);
    if (verdict === 'lost') this.miss(frame.conversation_id);
  }

  /** @returns false when it was not subscribed. */
  private forget(conversationId: string): boolean {
    this.partials.forget(conversationId);
    return this.subscriptions.remove(conversationId);
  }

  private resumed({ conversation_id: id, recovered }: ServerFrameData['resumed']): void {
    if (recovered) this.subscriptions.markAsked(id);
    else this.miss(id);
  }

  /**
   * Takes only answers to our own frames: nothing else may be taken from a link that has a successor. Its deltas are
   * older than those of the successor, and would truncate the text.
   */
  settle(frame: ServerFrame): boolean {
    return this.requests.settle(frame) || this.outbox.settle(frame);
  }

  private resumeLater(id: string, waitMs: number): void {
    const timer = startTimer(Math.max(waitMs, RESUME_AGAIN_MS), () => {
      this.timers.delete(timer);
      this.resume(id);
    });
    this.timers.add(timer);
  }

  private miss(conversationId: string): void {
    if (this.subscriptions.markStale(conversationId)) this.handlers.stale(conversationId);
  }

  /** A lost connection is not reported here: the next link subscribes again. */
  private background(work: Promise<unknown>, failed?: (error: ApiError) => void): void {
    work.catch((thrown: unknown) => {
      const error = toApiError(thrown);
      if (error.kind === 'connection') return;
      failed?.(error);
      this.handlers.error(error);
    });
  }
}
