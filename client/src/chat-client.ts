import { SUBPROTOCOL, type ServerFrame } from '../../protocol/messages.js';
import type { AcceptedMessage, IssuedTicket } from '../../protocol/resources.js';
import { Backoff } from './backoff.js';
import { closeError, receiptError } from './connection-error.js';
import type { ConnectionState } from './connection-state.js';
import { Emitter } from './emitter.js';
import { ApiError, networkError, toApiError } from './errors.js';
import { Exchange } from './exchange.js';
import { HttpClient, type HttpOptions } from './http.js';
import { Link, type LinkEnd, type Ready, type SocketLike } from './link.js';
import type { OutgoingMessage } from './outbox.js';
import { randomId } from './random-id.js';
import { dialUrl, mintTicket, readReceipt } from './ticket.js';

export interface ChatClientOptions extends HttpOptions {
  /** Called when signing in again is the only way on; nothing is tried after it. */
  onAuthError?: (error: ApiError) => void;
  /** Attempts in a row before giving up. Default 20: about four minutes. */
  maxAttempts?: number;
  /** How long a connection must hold before the budget of attempts is full again. Default 10,000. */
  stableAfterMs?: number;
  /** Limit for a handshake, and for the answer to a frame. Default 10,000. */
  frameTimeoutMs?: number;
  createSocket?: (url: string, protocol: string) => SocketLike;
  random?: () => number;
}

export interface ChatClientEvents {
  state: ConnectionState;
  /** Every frame but `ready`; durable events once each and in order. */
  frame: ServerFrame;
  /** Events of this conversation were missed: load it over HTTP, then `subscribe` again. */
  stale: string;
  /** An error that answers nothing in particular. */
  error: ApiError;
}

const DEFAULT_FRAME_TIMEOUT_MS = 10_000;

/** One connection to the server that keeps itself alive. It stores nothing: what it knows ends with it. */
export class ChatClient extends Emitter<ChatClientEvents> {
  /** Stays the same over reconnects, so that a new socket replaces the half-open one before it. */
  readonly clientId = randomId();
  private current: ConnectionState = { name: 'idle' };
  private attempt = new AbortController();
  private link: Link | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private mayDialAtOnce = true;
  private readonly http: HttpClient;
  private readonly backoff: Backoff;
  private readonly exchange: Exchange;

  constructor(private readonly options: ChatClientOptions) {
    super();
    this.http = new HttpClient(options);
    this.backoff = new Backoff(options.maxAttempts ?? 20, options.random);
    this.exchange = new Exchange(
      {
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

  /** Starts, or skips the wait for the next attempt. Does nothing while connecting or open. */
  connect(): void {
    const { name } = this.current;
    if (name !== 'idle' && name !== 'waiting' && name !== 'stopped') return;
    if (name === 'stopped') this.backoff.reset();
    this.dial();
  }

  /** Ends the connection, all timers and all listeners of the socket; what was not acknowledged is rejected. */
  close(): void {
    this.stop(undefined);
  }

  /** Listens to a conversation from the event after `afterSeq` on, over every reconnect until `unsubscribe`. */
  subscribe(conversationId: string, afterSeq: number): void {
    this.exchange.subscribe(conversationId, afterSeq);
  }

  /** Asks again for what came after the last event: the answer holds the whole text of a run in progress. */
  resume(conversationId: string): void {
    this.exchange.resume(conversationId);
  }

  unsubscribe(conversationId: string): void {
    this.exchange.unsubscribe(conversationId);
  }

  /** Resolves when the server has the message for good; survives lost connections on the way. */
  sendMessage(message: OutgoingMessage): Promise<AcceptedMessage> {
    if (this.current.name === 'stopped') return Promise.reject(this.current.cause ?? closedError());
    return this.exchange.send(message);
  }

  /** @throws ApiError `run_not_found` when there is nothing left to stop. */
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
      const issued = await mintTicket(this.http, { clientId: this.clientId, purpose: 'connect', signal });
      if (!signal.aborted) this.open(issued, signal);
    } catch (thrown) {
      if (!signal.aborted) this.fail(toApiError(thrown));
    }
  }

  private open(issued: IssuedTicket, signal: AbortSignal): void {
    const create = this.options.createSocket ?? ((url, protocol) => new WebSocket(url, protocol));
    const link = new Link(
      create(dialUrl(issued, this.options.baseUrl), SUBPROTOCOL),
      {
        ready: (ready) => this.becomeOpen(link, ready),
        frame: (frame) => this.receive(frame),
        ended: (end) => void this.afterEnd(end, issued.ticket_id, signal),
      },
      this.frameTimeoutMs,
    );
    this.link = link;
    this.become({ name: 'connecting' });
  }

  private becomeOpen(link: Link, ready: Ready): void {
    this.backoff.setLimits({ baseMs: ready.reconnect.base_ms, maxMs: ready.reconnect.max_ms });
    this.timer = setTimeout(() => {
      this.backoff.reset();
      this.mayDialAtOnce = true;
    }, this.options.stableAfterMs ?? 10_000);
    this.become({ name: 'open', ready });
    this.exchange.attach(link);
  }

  private receive(frame: ServerFrame): void {
    if (frame.type === 'auth.expiring') void this.renew(this.attempt.signal);
    this.exchange.receive(frame);
  }

  /** Trades a fresh access token for more time on the open connection. */
  private async renew(signal: AbortSignal): Promise<void> {
    try {
      const issued = await mintTicket(this.http, { clientId: this.clientId, purpose: 'refresh', signal });
      if (!signal.aborted) await this.exchange.request('auth.refresh', { ticket: issued.ticket });
    } catch (thrown) {
      const error = toApiError(thrown);
      if (signal.aborted) return;
      if (error.kind === 'auth') this.fail(error);
      // Anything else mends itself: the server ends the connection at its time, and a new ticket opens the next.
      else this.emit('error', error);
    }
  }

  private async afterEnd(end: LinkEnd, ticketId: string, signal: AbortSignal): Promise<void> {
    clearTimeout(this.timer);
    this.link = undefined;
    this.exchange.detach();
    const cause = end.wasReady ? closeError(end.code, end.reason) : await this.explain(ticketId, signal);
    if (!signal.aborted) this.fail(cause);
  }

  /** Page code sees a refused upgrade as a lost connection; its owner may read why in the receipt. */
  private async explain(ticketId: string, signal: AbortSignal): Promise<ApiError> {
    try {
      return receiptError(await readReceipt(this.http, ticketId, signal));
    } catch (thrown) {
      const error = toApiError(thrown);
      return error.kind === 'auth' ? error : networkError('The connection could not be opened', error);
    }
  }

  private fail(cause: ApiError): void {
    if (cause.kind === 'auth' || cause.retry === 'none') {
      this.stop(cause);
      if (cause.kind === 'auth') this.options.onAuthError?.(cause);
      return;
    }
    // Once: a server that asks again and again for a new ticket must not be dialled in a tight circle.
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
    this.timer = setTimeout(() => this.dial(), waitMs);
    this.become({ name: 'waiting', cause, retryAt: Date.now() + waitMs });
  }

  private stop(cause: ApiError | undefined): void {
    this.attempt.abort();
    clearTimeout(this.timer);
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

function closedError(): ApiError {
  return new ApiError({
    kind: 'connection',
    code: 'closed',
    message: 'The connection was closed',
    retry: 'none',
  });
}

function exhaustedError(cause: ApiError): ApiError {
  return new ApiError({
    kind: cause.kind,
    code: 'attempts_exhausted',
    message: 'Connection failed. Please refresh the page.',
    detail: cause.message,
    retry: 'none',
    cause,
  });
}
