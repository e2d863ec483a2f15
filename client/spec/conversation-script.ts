import type { DurableEvent, RunEnd } from '../../protocol/messages.js';
import type { Message } from '../../protocol/resources.js';
import { CONVERSATION } from './fake-server.js';

type Delta = {
  type: 'message.delta';
  data: { run_id: string; message_id: string; offset: number; text: string };
};
export type ScriptFrame = (DurableEvent | Delta) & { seq?: number };

/** The question, and the pieces of the answer. */
export interface Turn {
  question: string;
  pieces: string[];
}

const TS = '2026-01-01T00:00:00.000Z';

/** All frames of a conversation in order, and what the server would return at any point of it. */
export class ConversationScript {
  readonly frames: ScriptFrame[] = [];
  private seq = 0;

  static async of(turns: readonly Turn[]): Promise<ConversationScript> {
    const script = new ConversationScript();
    for (const [number, turn] of turns.entries()) await script.add(number, turn);
    return script;
  }

  /** Durable events after `seq` among the first `count` frames. */
  eventsAfter(seq: number, count: number): ScriptFrame[] {
    return this.frames.slice(0, count).filter((frame) => (frame.seq ?? 0) > seq);
  }

  /** The messages after the first `count` frames, as HTTP returns them: an answer in progress has no text there. */
  messages(count: number): Message[] {
    const messages = new Map<string, Message>();
    const texts = new Map<string, string>();
    for (const frame of this.frames.slice(0, count)) {
      if (frame.type === 'message.created') messages.set(frame.data.message.id, frame.data.message);
      if (frame.type === 'message.delta') {
        texts.set(frame.data.message_id, (texts.get(frame.data.message_id) ?? '') + frame.data.text);
      }
      if (frame.type !== 'run.completed') continue;
      const { message_id: id } = frame.data;
      const born = messages.get(id);
      if (born) messages.set(id, { ...born, content: texts.get(id) ?? '', status: 'complete' });
    }
    return [...messages.values()];
  }

  /** The current text of the answer that is in progress after the first `count` frames. */
  snapshot(count: number): { run_id: string; message_id: string; text: string; status: string } | undefined {
    const answer = this.messages(count).find(({ status }) => status === 'streaming');
    if (answer?.run_id === undefined) return undefined;
    const pieces = this.frames.slice(0, count).map((frame) => {
      return frame.type === 'message.delta' && frame.data.message_id === answer.id ? frame.data.text : '';
    });
    return { run_id: answer.run_id, message_id: answer.id, text: pieces.join(''), status: 'streaming' };
  }

  private async add(number: number, { question, pieces }: Turn): Promise<void> {
    const ids = { run_id: `run-${number}`, message_id: `answer-${number}` };
    this.event('message.created', { message: this.message(`question-${number}`, 'user', question) });
    const answer = this.message(ids.message_id, 'assistant', '');
    this.event('message.created', { message: { ...answer, run_id: ids.run_id } });
    this.event('run.started', { ...ids, responder: 'builtin' });
    let text = '';
    for (const piece of pieces) {
      this.frames.push({ type: 'message.delta', data: { ...ids, offset: text.length, text: piece } });
      text += piece;
    }
    const end: RunEnd = { ...ids, finish_reason: 'stop', length: text.length, sha256: await sha256(text) };
    this.event('run.completed', end);
  }

  private event(type: string, data: object): void {
    this.seq += 1;
    this.frames.push({ type, conversation_id: CONVERSATION, seq: this.seq, ts: TS, data } as ScriptFrame);
  }

  private message(id: string, role: Message['role'], content: string): Message {
    const status = role === 'user' ? 'complete' : 'streaming';
    return { id, role, content, status, seq: this.seq + 1, created_at: TS };
  }
}

async function sha256(text: string): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
