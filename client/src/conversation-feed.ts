import type { RunEnd, ServerFrame } from '../../protocol/messages.js';
import type { ChatApi } from './api.js';
import { Backoff } from './backoff.js';
import type { ChatClient } from './chat-client.js';
import { isWholeText } from './digest.js';
import { Emitter } from './emitter.js';
import { goneError, toApiError, type ApiError } from './errors.js';
import { PendingMessages, type PendingMessage } from './pending-messages.js';
import { startTimer, type Timer } from './time-limit.js';
import { Transcript, type TranscriptMessage } from './transcript.js';

export type { PendingMessage } from './pending-messages.js';

export interface FeedState {
  readonly phase: 'loading' | 'ready' | 'failed';
  readonly title: string;
  readonly messages: readonly TranscriptMessage[];
  /** Own messages that are not yet part of the conversation. */
  readonly pending: readonly PendingMessage[];
  readonly hasEarlier: boolean;
  /** The run in progress. */
  readonly runId?: string;
  /** Queued runs by id: the position of each among those of this user, from 1. */
  readonly queued: ReadonlyMap<string, number>;
  readonly error?: ApiError;
}

const PAGE = 50;
const EVENTS_PAGE = 200;
/** Attempts in a row to load a conversation: about eight minutes. */
const LOAD_ATTEMPTS = 20;

/** One conversation for a view: history over HTTP, then live over the client's connection. */
export class ConversationFeed extends Emitter<{ change: FeedState }> {
  private readonly transcript = new Transcript();
  private readonly pending: PendingMessages;
  private readonly holes = new Set<string>();
  private readonly queued = new Map<string, number>();
  private stopListening: (() => void)[] = [];
  private phase: FeedState['phase'] = 'loading';
  private error: ApiError | undefined;
  private readonly backoff = new Backoff(LOAD_ATTEMPTS);
  private retryTimer: Timer | undefined;
  private title = '';
  private hasEarlier = false;
  private current: FeedState;

  constructor(
    private readonly client: ChatClient,
    private readonly api: ChatApi,
    readonly id: string,
  ) {
    super();
    this.pending = new PendingMessages(
      (message) => client.sendMessage(message),
      () => this.publish(),
    );
    this.current = this.compose();
  }

  get state(): FeedState {
    return this.current;
  }

  open(): void {
    if (this.isOpen) return;
    this.stopListening = [
      this.client.on('frame', (frame) => this.receive(frame)),
      this.client.on('state', (state) => {
        // What failed without a network can be loaded now.
        const canHeal = this.phase === 'failed' && this.error?.retry !== 'none';
        if (state.name === 'open' && canHeal) void this.load();
      }),
      this.client.on('stale', (id) => {
        if (id === this.id) void this.load();
      }),
    ];
    void this.load();
  }

  close(): void {
    for (const stop of this.stopListening) stop();
    this.stopListening = [];
    clearTimeout(this.retryTimer);
    this.client.unsubscribe(this.id);
  }

  /** Loads the newest messages, and listens from there. */
  async load(): Promise<void> {
    this.error = undefined;
    clearTimeout(this.retryTimer);
    if (this.phase === 'failed') this.phase = 'loading';
    this.publish();
    try {
      const { last_seq: lastSeq, title } = await this.api.conversation(this.id);
      const page = await this.api.messages(this.id, { limit: PAGE });
      const first = page.messages[0]?.seq ?? lastSeq + 1;
      const { events } = await this.api.events(this.id, first - 1, EVENTS_PAGE);
      if (!this.isOpen) return;
      this.transcript.clear();
      this.queued.clear();
      this.transcript.put(page.messages);
      for (const event of events) this.transcript.recall(event);
      this.title = title;
      this.hasEarlier = page.has_more;
      this.phase = 'ready';
      this.backoff.reset();
      this.client.subscribe(this.id, lastSeq);
    } catch (thrown) {
      this.fail(thrown);
    }
    this.publish();
  }

  /** @throws ApiError */
  async loadEarlier(): Promise<void> {
    const first = this.transcript.messages[0];
    if (first === undefined) return;
    const page = await this.api.messages(this.id, { before_seq: first.seq, limit: PAGE });
    this.transcript.put(page.messages);
    this.hasEarlier = page.has_more;
    this.publish();
  }

  send(content: string): void {
    this.pending.add(this.id, content);
  }

  resend(clientMessageId: string): void {
    this.pending.resend(clientMessageId);
  }

  discard(clientMessageId: string): void {
    this.pending.discard(clientMessageId);
  }

  /** @throws ApiError `run_not_found` when the answer had ended already. */
  async stop(): Promise<void> {
    if (this.current.runId !== undefined) await this.client.cancelRun(this.current.runId);
  }

  private receive(frame: ServerFrame): void {
    if (frame.conversation_id !== this.id) return;
    const outcome = this.transcript.apply(frame);
    if (isTruncated(frame)) void this.readWhole(frame.seq);
    if (frame.type === 'unsubscribed' && frame.data.reason !== undefined) this.fail(goneError());
    this.noteQueue(frame);
    if (frame.type === 'message.snapshot') this.holes.delete(frame.data.message_id);
    if (outcome?.kind === 'hole') this.fill(outcome.messageId);
    if (outcome?.kind === 'ended') void this.verify(outcome.messageId, outcome.end);
    this.publish();
  }

  /** An event that did not fit into a frame. */
  private async readWhole(seq: number): Promise<void> {
    try {
      const { events } = await this.api.events(this.id, seq - 1, 1);
      for (const event of events) this.transcript.apply(event);
    } catch (thrown) {
      this.fail(thrown);
    }
    this.publish();
  }

  /** A queued run is reported until it starts or ends. Later reports of its wait are outdated. */
  private noteQueue(frame: ServerFrame): void {
    if (frame.type === 'run.progress') {
      const { run_id: runId, state, position = 1 } = frame.data;
      if (state === 'queued' && !this.transcript.hasRun(runId)) this.queued.set(runId, position);
    } else if ('run_id' in frame.data) {
      this.queued.delete(frame.data.run_id);
    }
  }

  private fill(messageId: string): void {
    if (this.holes.has(messageId)) return;
    this.holes.add(messageId);
    this.client.resume(this.id);
  }

  private async verify(messageId: string, end: RunEnd): Promise<void> {
    this.holes.delete(messageId);
    const message = this.transcript.find(messageId);
    if (message === undefined || (await isWholeText(message.content, end))) return;
    try {
      const page = await this.api.messages(this.id, { after_seq: message.seq - 1, limit: 1 });
      this.transcript.put(page.messages);
    } catch (thrown) {
      // A text that is known to be wrong must not be shown as if it were right.
      this.fail(thrown);
    }
    this.publish();
  }

  /** Retries when the server could not answer, also while the connection stays open. */
  private fail(thrown: unknown): void {
    const error = toApiError(thrown);
    this.phase = 'failed';
    this.error = error;
    clearTimeout(this.retryTimer);
    if (!this.isOpen || error.retry === 'none') return;
    const waitMs = this.backoff.next(error.retryAfterMs);
    if (waitMs !== undefined) this.retryTimer = startTimer(waitMs, () => void this.load());
  }

  private get isOpen(): boolean {
    return this.stopListening.length > 0;
  }

  private publish(): void {
    this.current = this.compose();
    this.emit('change', this.current);
  }

  private compose(): FeedState {
    const { messages } = this.transcript;
    const runId = messages.findLast((message) => message.status === 'streaming')?.run_id;
    return {
      phase: this.phase,
      title: this.title,
      messages,
      pending: this.pending.unseen(messages),
      hasEarlier: this.hasEarlier,
      queued: new Map(this.queued),
      ...(runId !== undefined && { runId }),
      ...(this.error && { error: this.error }),
    };
  }
}

function isTruncated(frame: ServerFrame): frame is ServerFrame & { seq: number } {
  if (frame.seq === undefined) return false;
  const part = frame.type === 'message.created' ? frame.data.message : frame.data;
  return 'truncated' in part && part.truncated === true;
}
