import { setTimeout as sleep } from 'node:timers/promises';
import { planAnswer } from './builtin-answer.js';
import {
  type Readiness,
  Responder,
  type ResponderPart,
  type ResponderRequest,
} from '../contract/responder.js';

/** Waits, and rejects when the signal is aborted. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<unknown>;

/** About 30 words a second: fast enough to read along, slow enough to watch, stop and take over. */
const WORD_MS = 30;
const LEAD_END = '\n\n';

/**
 * Answers without a language model, so that the demo and the tests need none. The text depends only on the turns,
 * which makes continuing exact: the whole text is computed again, and the part after `written` is sent.
 *
 * Only a tool's result does not depend on the turns alone. It appears only in the first paragraph, the lead.
 * If `written` contains the whole lead, the lead is taken from there and the tool is not called again. If `written`
 * ends inside the lead, the tool is called again with the same id, so that a worker can return the recorded result.
 * This is rare, since the lead is sent as one part. If the lead differs then, the written text stays, and the whole
 * answer follows it as a new paragraph.
 */
export class BuiltinResponder extends Responder {
  override readonly id = 'builtin';
  override readonly label = 'built-in demo responder, not a language model';
  override readonly model = undefined;

  /** @param wordMs milliseconds before each word, default 30; 0 for no pause */
  constructor(
    private readonly wordMs = WORD_MS,
    private readonly wait: Wait = (ms, signal) => sleep(ms, undefined, { signal }),
  ) {
    super();
  }

  override async *respond(request: ResponderRequest): AsyncGenerator<ResponderPart, void> {
    const { written, signal } = request;
    signal.throwIfAborted();
    const { lead, body } = await compose(request);
    const text = lead + body;
    const remaining = text.startsWith(written) ? text.slice(written.length) : LEAD_END + text;
    for (const part of parts(remaining, written === '' ? lead.length : 0)) {
      await this.pause(signal);
      yield { kind: 'text', text: part };
    }
    yield { kind: 'end', finishReason: 'stop' };
  }

  override check(): Promise<Readiness> {
    return Promise.resolve('ready');
  }

  override async warmUp(): Promise<void> {
    // There is nothing to load.
  }

  private async pause(signal: AbortSignal): Promise<void> {
    try {
      if (this.wordMs > 0) await this.wait(this.wordMs, signal);
    } finally {
      // The timer rejects with its own error; the caller expects the signal's reason.
      signal.throwIfAborted();
    }
  }
}

async function compose(request: ResponderRequest): Promise<{ lead: string; body: string }> {
  const { written, signal } = request;
  const { tool, body } = planAnswer(request.conversationId, request.turns);
  if (tool === undefined) return { lead: '', body };
  const end = written.indexOf(LEAD_END);
  if (end !== -1) return { lead: written.slice(0, end + LEAD_END.length), body };
  const outcome = await request.callTool(tool.call);
  signal.throwIfAborted();
  return { lead: oneLine(tool.tell(outcome)) + LEAD_END, body };
}

/** The lead must not contain the marker of its end. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** The first `wholeLength` code units as one part, then word by word, each with the white space after it. */
function parts(text: string, wholeLength: number): string[] {
  const words = text.slice(wholeLength).match(/^\s+|\S+\s*/g) ?? [];
  return wholeLength > 0 ? [text.slice(0, wholeLength), ...words] : words;
}
