import { storableText } from '../../../protocol/text.js';
import { clip, storableValue } from '../contract/storable-text.js';
import { modelUnavailable } from './model-reply.js';

/** A tool that the model wants called. */
export interface WantedTool {
  name: string;
  arguments: Record<string, unknown>;
}

export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
}

/** A piece of a model's output, whatever the server. */
export interface ModelLine {
  content: string;
  /** From a field of its own; thoughts within the content are still there. */
  thoughts: string;
  toolCalls: WantedTool[];
  /** The server's word for why the output ended, once it has. */
  finishReason?: string;
  usage?: Usage;
}

/** What a model is told and has told, in the order of a conversation. */
export type ModelMessage =
  | { role: 'system' | 'user'; content: string }
  | { role: 'assistant'; content: string; toolCalls: readonly (WantedTool & { id: string })[] }
  | { role: 'tool'; id: string; name: string; content: string };

const MAX_TOOL_NAME_LENGTH = 64;

export function wantedTool(name: string, given: Record<string, unknown>): WantedTool {
  return {
    name: clip(storableText(name), MAX_TOOL_NAME_LENGTH),
    arguments: storableValue(given) as Record<string, unknown>,
  };
}

/** Counts of tokens, as far as the server tells them. */
export function usageOf(promptTokens: unknown, completionTokens: unknown): Usage {
  return {
    ...(typeof promptTokens === 'number' && { prompt_tokens: promptTokens }),
    ...(typeof completionTokens === 'number' && { completion_tokens: completionTokens }),
  };
}

export function addUsage(sum: Usage, { prompt_tokens, completion_tokens }: Usage): void {
  if (prompt_tokens !== undefined) sum.prompt_tokens = (sum.prompt_tokens ?? 0) + prompt_tokens;
  if (completion_tokens !== undefined)
    sum.completion_tokens = (sum.completion_tokens ?? 0) + completion_tokens;
}

export function unexpectedLine(expected: string): Error {
  return modelUnavailable(`expected ${expected} in the model's answer, something else came`);
}
