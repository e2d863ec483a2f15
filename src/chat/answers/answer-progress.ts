import type { FrameReply } from '../../websocket/socket/frame-reply.js';

export type AnswerState = 'waiting' | 'thinking' | 'tool';
export type ProgressFrame = Extract<FrameReply, { type: 'run.progress' }> & { conversation_id: string };

/** A state that lasts less than this is not told, except thoughts. */
const MIN_WAIT_MS = 1000;
/** The protocol requires an update at least every 5 s while no text comes. */
const REPEAT_MS = 4000;
/** Thoughts are sent in pieces, at most this often. */
const THOUGHTS_INTERVAL_MS = 200;
/** How much of the thoughts a reader who comes later gets. UTF-16 code units. */
const MAX_RECENT_LENGTH = 16_000;

/** What one answer does while no text comes, and when that is told. */
export class AnswerProgress {
  private state: AnswerState = 'waiting';
  private hasWritten = false;
  private dueMs: number;
  private thoughtsLength = 0;
  private untold = '';
  private recent = '';

  /** @param elapsedMs time since the question was accepted */
  constructor(
    readonly runId: string,
    private readonly conversationId: string,
    private readonly elapsedMs: () => number,
    private readonly showsThoughts: boolean,
    nowMs: number,
  ) {
    this.dueMs = nowMs + MIN_WAIT_MS;
  }

  enter(state: AnswerState, thoughts = '', nowMs = performance.now()): void {
    const isNew = state !== this.state;
    this.state = state;
    if (isNew) this.dueMs = state === 'thinking' ? nowMs : nowMs + MIN_WAIT_MS;
    if (!this.showsThoughts || thoughts === '') return;
    if (this.untold === '') this.dueMs = Math.min(this.dueMs, nowMs + THOUGHTS_INTERVAL_MS);
    this.untold += thoughts;
    this.recent = (this.recent + thoughts).slice(-MAX_RECENT_LENGTH);
  }

  /** A piece of text has come; only a long silence after it is told. */
  wrote(nowMs = performance.now()): void {
    this.state = 'waiting';
    this.hasWritten = true;
    this.dueMs = nowMs + REPEAT_MS;
  }

  /** Whether text has come since the last frame. */
  get isWriting(): boolean {
    return this.hasWritten;
  }

  /** The frame that is due, if one is. */
  take(nowMs: number): ProgressFrame | undefined {
    if (nowMs < this.dueMs) return undefined;
    this.hasWritten = false;
    this.dueMs = nowMs + REPEAT_MS;
    const frame = this.frame(this.state, this.untold);
    this.untold = '';
    return frame;
  }

  /** What a reader who comes now is told: with the thoughts so far, or the last of them. */
  get latest(): ProgressFrame {
    return this.frameAt(this.state, this.recent, this.thoughtsLength - this.recent.length);
  }

  private frame(state: AnswerState, thoughts: string): ProgressFrame {
    const offset = this.thoughtsLength;
    this.thoughtsLength += thoughts.length;
    return this.frameAt(state, thoughts, offset);
  }

  private frameAt(state: AnswerState, thoughts: string, offset: number): ProgressFrame {
    const data = {
      run_id: this.runId,
      state,
      elapsed_ms: Math.round(this.elapsedMs()),
      ...(thoughts !== '' && { thinking: { offset, text: thoughts } }),
    };
    return { type: 'run.progress', conversation_id: this.conversationId, data };
  }
}
