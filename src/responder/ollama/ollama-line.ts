import { AppError } from '../../errors/app-error.js';
import { storableText } from '../../../protocol/text.js';
import { clip, storableValue } from '../contract/storable-text.js';

/** The parts of a line of `POST /api/chat` that an answer needs. */
export interface ChatLine {
  content: string;
  toolCalls: { name: string; arguments: Record<string, unknown> }[];
  done: boolean;
  /** The model reached its length limit. Only set with `done`. */
  isCutShort: boolean;
  promptTokens?: number;
  completionTokens?: number;
}

/** Longest text from the model server in an error's detail. */
const MAX_QUOTE_LENGTH = 300;
const MAX_TOOL_NAME_LENGTH = 64;

export function modelUnavailable(detail: string, cause?: unknown): AppError {
  return new AppError('dependency_unavailable', { detail, cause });
}

/** A text from the model server, made safe for an error's detail. */
export function quote(text: string): string {
  return `"${clip(storableText(text), MAX_QUOTE_LENGTH)}"`;
}

/** @throws AppError `dependency_unavailable` for an error line, and for a line that is not a chat line */
export function parseChatLine(value: unknown): ChatLine {
  if (!isObject(value)) throw unexpected('a JSON object');
  if (typeof value.error === 'string') {
    throw modelUnavailable(`expected the model to go on, it reported ${quote(value.error)}`);
  }
  if (typeof value.done !== 'boolean') throw unexpected('"done" to be true or false');
  const message = value.message ?? {};
  if (!isObject(message)) throw unexpected('"message" to be an object');
  const content = message.content ?? '';
  if (typeof content !== 'string') throw unexpected('"message.content" to be a string');
  const toolCalls = message.tool_calls ?? [];
  if (!Array.isArray(toolCalls)) throw unexpected('"message.tool_calls" to be a list');
  return {
    // "message.thinking" is left out: the model's thoughts are not its answer.
    content,
    toolCalls: toolCalls.map(parseToolCall),
    done: value.done,
    isCutShort: value.done_reason === 'length',
    ...count('promptTokens', value.prompt_eval_count),
    ...count('completionTokens', value.eval_count),
  };
}

function parseToolCall(value: unknown): ChatLine['toolCalls'][number] {
  const called = isObject(value) ? value.function : undefined;
  if (!isObject(called) || typeof called.name !== 'string') {
    throw unexpected('a tool call to hold "function.name"');
  }
  const given = called.arguments ?? {};
  if (!isObject(given)) throw unexpected('"function.arguments" to be an object');
  return {
    name: clip(storableText(called.name), MAX_TOOL_NAME_LENGTH),
    arguments: storableValue(given) as Record<string, unknown>,
  };
}

function count<K extends string>(name: K, value: unknown): { [P in K]?: number } {
  return typeof value === 'number' ? ({ [name]: value } as { [P in K]?: number }) : {};
}

function unexpected(expected: string): AppError {
  return modelUnavailable(`expected ${expected} in a line of the model's answer, something else came`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
