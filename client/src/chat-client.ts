import { CLOSE_CODES } from '../../protocol/close-codes.js';
import { SUBPROTOCOL, type ServerFrame, type ServerFrameData } from '../../protocol/messages.js';
import type { AcceptedMessage, IssuedTicket, TicketPurpose } from '../../protocol/resources.js';
import { Backoff } from './backoff.js';
import { closedError, closeError, exhaustedError, hasSuccessor } from './connection-error.js';
import type { ChatClientEvents, ChatClientOptions } from './chat-client-options.js';
import type { ConnectionState } from './connection-state.js';
import { Emitter } from './emitter.js';
import { type ApiError, networkError, toApiError } from './errors.js';
import { Exchange } from './exchange.js';
import { Handoff } from './handoff.js';
import { HttpClient } from './http.js';
import { Link, type LinkEnd, type LinkHandlers, type Ready } from './link.js';
import type { OutgoingMessage } from './outbox.js';
import { postMessage } from './post-message.js';
import { randomId } from './random-id.js';
import { dialUrl, explainRefusal, mintTicket } from './ticket.js';
import { startTimer, type Timer } from './time-limit.js';

const DEFAULT_FRAME_TIMEOUT_MS = 10_000;

/** One connection to the server that keeps itself alive. It keeps its state in memory only. */
export class ChatClient extends Emitter<ChatClientEvents> {
  /** Stays the same over reconnects, so that a new socket replaces the half-open one before it. */
  readonly clientId = randomId();
  private current: ConnectionState = { name: 'idle' };
  private attempt = new AbortController();
  private link: Link | undefined;
  private handoff: Handoff | undefined;
  private frameCount = 0;
  private timer: Timer | undefined;
  private mayDialAtOnce = true;
  /** The last connection ended with its access token. */
  private needsFreshToken = false;
  private readonly http: HttpClient;
  private readonly backoff: Backoff;
  private readonly exchange: Exchange;

  constructor(private readonly options: ChatClientOptions) {
    super();
    this.http = new HttpClient(options);
    this.backoff = new Backoff(options.maxAttempts ?? 20, options.random);
    this.exchange = new Exchange(
      {
        post: (message) => postMessage(this.http, message),
        frame: (frame) => this.emit('frame', frame),
        stale: (conversationId) => this.emit('stale', conversationId),
        error: (error) => this.emit('error', error),
      },
      this.frameTimeoutMs,
    );
  }

  get state(): ConnectionState {
    return this.current;
  }

  /** Starts connecting, or skips the wait for the next attempt. Does nothing while connecting or open. */
  connect(): void {
    const { name } = this.current;
    if (name !== 'idle' && name !== 'waiting' && name !== 'stopped') return;
    if (name === 'stopped') this.backoff.reset();
    this.dial();
  }

  /** Ends the connection, all timers and all listeners of the socket; rejects unacknowledged messages. */
  close(): void {
    this.stop(undefined);
  }

  /** Listens to a conversation from the event after `afterSeq` on, across reconnects, until `unsubscribe`. */
  subscribe(conversationId: string, afterSeq: number): void {
    this.exchange.subscribe(conversationId, afterSeq);
  }

  /** Asks again for everything after the last event: the answer holds the whole text of a run in progress. */
  resume(conversationId: string): void {
    this.exchange.resume(conversationId);
  }

  unsubscribe(conversationId: string): void {
    this.exchange.unsubscribe(conversationId);
  }

  /** Resolves when the server has stored the message; survives lost connections. */
  sendMessage(message: OutgoingMessage): Promise<AcceptedMessage> {
    if (this.current.name === 'stopped') return Promise.reject(this.current.cause ?? closedError());
    return this.exchange.send(message);
  }

  /** @throws ApiError `run_not_found` when the run has already ended. */
  async cancelRun(runId: string): Promise<void> {
    await this.exchange.request('run.cancel', { run_id: runId });
  }

  private dial(): void {
    clearTimeout(this.timer);
    this.attempt.abort();
    this.attempt = new AbortController();
    this.become({ name: 'minting' });
    void this.mintAndOpen(this.attempt.signal);
  }

  private async mintAndOpen(signal: AbortSignal): Promise<void> {
    try {
      const issued = await this.mint('connect', this.needsFreshToken, signal);
      this.needsFreshToken = false;
      if (!signal.aborted) this.open(issued, signal);
    } catch (thrown) {
      if (!signal.aborted) this.fail(toApiError(thrown));
    }
  }

  private mint(purpose: TicketPurpose, fresh: boolean, signal: AbortSignal): Promise<IssuedTicket> {
    return mintTicket(this.http, { clientId: this.clientId, purpose, fresh, signal });
  }

  private open(issued: IssuedTicket, signal: AbortSignal): void {
    const link = this.createLink(issued, {
      ready: (ready) => this.becomeOpen(link, ready),
      frame: (frame) => this.receive(link, frame),
      ended: (end) => void this.afterEnd(link, end, issued.ticket_id, signal),
    });
    this.link = link;
    this.become({ name: 'connecting' });
  }

  private createLink(issued: Pick<IssuedTicket, 'ticket' | 'url'>, handlers: LinkHandlers): Link {
    const create = this.options.createSocket ?? ((url, protocol) => new WebSocket(url, protocol));
    const socket = create(dialUrl(issued, this.options.baseUrl), SUBPROTOCOL);
    return new Link(socket, handlers, this.frameTimeoutMs, () => `f${(this.frameCount += 1)}`);
  }

  private becomeOpen(link: Link, ready: Ready): void {
    this.backoff.setLimits({ baseMs: ready.reconnect.base_ms, maxMs: ready.reconnect.max_ms });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.backoff.reset();
      this.mayDialAtOnce = true;
    }, this.options.stableAfterMs ?? 10_000);
    this.become({ name: 'open', ready });
    this.exchange.attach(link);
  }

  private receive(link: Link, frame: ServerFrame): void {
    if (link !== this.link) {
      this.exchange.settle(frame);
      return;
    }
    if (frame.type === 'server.draining') {
      this.prepareHandoff(link, frame.data);
      return;
    }
    if (frame.type === 'auth.expiring') void this.renew(this.attempt.signal);
    this.exchange.receive(frame);
  }

  /** The node is about to stop. Until the next link is ready, this one stays in use. */
  private prepareHandoff(link: Link, offer: ServerFrameData['server.draining']): void {
    const { signal } = this.attempt;
    this.endHandoff();
    this.handoff = new Handoff(
      offer,
      link,
      {
        dial: (handlers) => this.createLink({ ticket: offer.handoff_ticket, url: offer.url }, handlers),
        moved: (next, ready) => {
          this.link = next;
          this.becomeOpen(next, ready);
        },
        frame: (next, frame) => this.receive(next, frame),
        ended: (next, end) => void this.afterEnd(next, end, undefined, signal),
        letGo: (left) => {
          left.close();
          this.exchange.detach(left);
        },
        failed: () => this.afterFailedHandoff(),
      },
      this.options.random ?? Math.random,
    );
  }

  private endHandoff(): void {
    this.handoff?.cancel();
    this.handoff = undefined;
  }

  /** The old link stays as long as its node allows; if it has ended meanwhile, an ordinary reconnect follows. */
  private afterFailedHandoff(): void {
    this.handoff = undefined;
    if (this.link === undefined) this.fail(networkError('The connection could not be opened'));
  }

  /** Extends the open connection with a fresh access token. */
  private async renew(signal: AbortSignal): Promise<void> {
    try {
      const issued = await this.mint('refresh', true, signal);
      if (!signal.aborted) await this.exchange.request('auth.refresh', { ticket: issued.ticket });
    } catch (thrown) {
      const error = toApiError(thrown);
      if (signal.aborted) return;
      if (error.kind === 'auth') this.fail(error);
      // Other errors need no action: the server ends the connection when it expires, and a new ticket opens the next.
      else this.emit('error', error);
    }
  }

  private async afterEnd(
    link: Link,
    end: LinkEnd,
    ticketId: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    this.exchange.detach(link);
    if (end.code === CLOSE_CODES.frame_too_large) this.exchange.avoidLargest();
    if (link !== this.link) {
      this.endHandoff();
      return;
    }
    clearTimeout(this.timer);
    this.link = undefined;
    const isSeen = end.wasReady || ticketId === undefined;
    const cause = isSeen
      ? closeError(end.code, end.reason)
      : await explainRefusal(this.http, ticketId, signal);
    if (signal.aborted) return;
    // The next link is connecting, and its outcome decides.
    if (this.handoff?.isDialling === true && (cause.retry !== 'none' || hasSuccessor(end))) return;
    this.endHandoff();
    // There is no successor: it was lost before it was ready.
    if (hasSuccessor(end)) this.dial();
    else this.fail(cause);
  }

  private fail(cause: ApiError): void {
    if (cause.kind === 'auth' || cause.retry === 'none') {
      this.stop(cause);
      if (cause.kind === 'auth') this.options.onAuthError?.(cause);
      return;
    }
    if (cause.code === 'auth_expired') this.needsFreshToken = true;
    // Only once: a server that keeps asking for a new ticket must not be dialled in a tight loop.
    if (cause.retry === 'new_ticket' && this.mayDialAtOnce) {
      this.mayDialAtOnce = false;
      this.dial();
      return;
    }
    this.wait(cause);
  }

  private wait(cause: ApiError): void {
    const waitMs = this.backoff.next(cause.retry === 'after' ? cause.retryAfterMs : 0);
    if (waitMs === undefined) {
      this.stop(exhaustedError(cause));
      return;
    }
    this.timer = startTimer(waitMs, () => this.dial());
    this.become({ name: 'waiting', cause, retryAt: Date.now() + waitMs });
  }

  private stop(cause: ApiError | undefined): void {
    this.attempt.abort();
    clearTimeout(this.timer);
    this.endHandoff();
    this.link?.close();
    this.link = undefined;
    this.exchange.end(cause ?? closedError());
    this.become(cause === undefined ? { name: 'stopped' } : { name: 'stopped', cause });
  }

  private become(state: ConnectionState): void {
    this.current = state;
    this.emit('state', state);
  }

  private get frameTimeoutMs(): number {
    return this.options.frameTimeoutMs ?? DEFAULT_FRAME_TIMEOUT_MS;
  }
}
