import {
  type ModelLine,
  type ModelMessage,
  unexpectedLine,
  usageOf,
  type WantedTool,
  wantedTool,
} from '../model/model-line.js';
import { isObject, requireNoError } from '../model/model-reply.js';

/** A line of `POST /api/chat`. @throws AppError `dependency_unavailable` for an error line and for one of another kind */
export function parseChatLine(value: unknown): ModelLine {
  requireNoError(value);
  if (!isObject(value)) throw unexpectedLine('a JSON object');
  const { done } = value;
  if (typeof done !== 'boolean') throw unexpectedLine('"done" to be true or false');
  const message = value.message ?? {};
  if (!isObject(message)) throw unexpectedLine('"message" to be an object');
  const content = message.content ?? '';
  if (typeof content !== 'string') throw unexpectedLine('"message.content" to be a string');
  const toolCalls = message.tool_calls ?? [];
  if (!Array.isArray(toolCalls)) throw unexpectedLine('"message.tool_calls" to be a list');
  return {
    content,
    thoughts: typeof message.thinking === 'string' ? message.thinking : '',
    toolCalls: toolCalls.map(parseToolCall),
    ...(done && { finishReason: typeof value.done_reason === 'string' ? value.done_reason : 'stop' }),
    usage: usageOf(value.prompt_eval_count, value.eval_count),
  };
}

/** A message as `POST /api/chat` takes it. */
export function toOllamaMessage(message: ModelMessage): object {
  const { role, content } = message;
  switch (message.role) {
    case 'assistant': {
      const calls = message.toolCalls.map(({ name, arguments: given }) => {
        return { function: { name, arguments: given } };
      });
      return { role, content, ...(calls.length > 0 && { tool_calls: calls }) };
    }
    case 'tool':
      return { role, content, tool_name: message.name };
    case 'system':
    case 'user':
      return { role, content };
  }
}

function parseToolCall(value: unknown): WantedTool {
  const called = isObject(value) ? value.function : undefined;
  if (!isObject(called) || typeof called.name !== 'string') {
    throw unexpectedLine('a tool call to hold "function.name"');
  }
  const given = called.arguments ?? {};
  if (!isObject(given)) throw unexpectedLine('"function.arguments" to be an object');
  return wantedTool(called.name, given);
}
