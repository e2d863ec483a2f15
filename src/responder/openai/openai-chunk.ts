import {
  type ModelLine,
  type ModelMessage,
  unexpectedLine,
  usageOf,
  type WantedTool,
  wantedTool,
} from '../model/model-line.js';
import { isObject, parseJson, requireNoError } from '../model/model-reply.js';

/** A tool call whose name and arguments come in pieces. */
interface ToolPieces {
  name: string;
  arguments: string;
}

/** Reads the chunks of one `POST /chat/completions`. Tool calls are whole only at the end. */
export class CompletionChunks {
  private readonly calls = new Map<number, ToolPieces>();
  private hasWords = false;
  private finishReason: string | undefined;

  /** Whether a word, a thought or a part of a tool call has come. */
  get hasBegun(): boolean {
    return this.hasWords || this.calls.size > 0;
  }

  get hasFinished(): boolean {
    return this.finishReason !== undefined;
  }

  /** @throws AppError `dependency_unavailable` for an error and for a chunk of another kind */
  read(value: unknown): ModelLine {
    requireNoError(value);
    if (!isObject(value)) throw unexpectedLine('a JSON object');
    const usage = isObject(value.usage)
      ? usageOf(value.usage.prompt_tokens, value.usage.completion_tokens)
      : {};
    const choices = value.choices ?? [];
    if (!Array.isArray(choices)) throw unexpectedLine('"choices" to be a list');
    const [choice] = choices as unknown[];
    if (choice === undefined) return { content: '', thoughts: '', toolCalls: [], usage };
    if (!isObject(choice)) throw unexpectedLine('"choices" to hold objects');
    // A server that does not stream sends one "message".
    const delta = choice.delta ?? choice.message ?? {};
    if (!isObject(delta)) throw unexpectedLine('"delta" to be an object');
    this.gather(delta.tool_calls ?? []);
    if (typeof choice.finish_reason === 'string') this.finishReason = choice.finish_reason;
    const content = textIn(delta.content ?? '');
    const thoughts = textIn(delta.reasoning_content ?? '') || textIn(delta.reasoning ?? '');
    this.hasWords ||= content !== '' || thoughts !== '';
    return { content, thoughts, toolCalls: [], usage };
  }

  /** The last line: the tool calls, now whole, and why the output ended. */
  end(): ModelLine {
    const toolCalls = [...this.calls.values()].map(toWantedTool);
    const finishReason = this.finishReason ?? 'stop';
    return { content: '', thoughts: '', toolCalls, finishReason };
  }

  private gather(pieces: unknown): void {
    if (!Array.isArray(pieces)) throw unexpectedLine('"tool_calls" to be a list');
    for (const [position, piece] of (pieces as unknown[]).entries()) {
      const called = isObject(piece) ? piece.function : undefined;
      if (!isObject(piece) || !isObject(called)) throw unexpectedLine('a tool call to hold "function"');
      const index = typeof piece.index === 'number' ? piece.index : position;
      const call = this.calls.get(index) ?? { name: '', arguments: '' };
      // Some servers repeat the name in each piece.
      if (typeof called.name === 'string' && call.name === '') call.name = called.name;
      const given = called.arguments ?? '';
      call.arguments += typeof given === 'string' ? given : JSON.stringify(given);
      this.calls.set(index, call);
    }
  }
}

/** A message as `POST /chat/completions` takes it. */
export function toOpenAiMessage(message: ModelMessage): object {
  const { role, content } = message;
  switch (message.role) {
    case 'assistant': {
      const calls = message.toolCalls.map(({ id, name, arguments: given }) => {
        return { id, type: 'function', function: { name, arguments: JSON.stringify(given) } };
      });
      return { role, content, ...(calls.length > 0 && { tool_calls: calls }) };
    }
    case 'tool':
      return { role, content, tool_call_id: message.id };
    case 'system':
    case 'user':
      return { role, content };
  }
}

/** A text, or a list of parts of which some are text. */
function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) throw unexpectedLine('text');
  return value.map((part) => (isObject(part) && typeof part.text === 'string' ? part.text : '')).join('');
}

function toWantedTool({ name, arguments: given }: ToolPieces): WantedTool {
  if (name === '') throw unexpectedLine('a tool call to hold "function.name"');
  const value = given.trim() === '' ? {} : parseJson(given);
  if (!isObject(value)) throw unexpectedLine('"function.arguments" to be a JSON object');
  return wantedTool(name, value);
}
