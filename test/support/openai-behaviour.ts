import type { ServerResponse } from 'node:http';
import { performFault, sendJson, sleep, write, type ChatResponse, type Fault } from './model-response.js';

export interface OpenAiToolCall {
  name: string;
  arguments: Record<string, unknown>;
}

interface Answer {
  kind: 'answer';
  /** Default: a greeting. */
  tokens?: readonly string[];
  /** Sent first, in the field that `thinkingField` names. */
  thinking?: readonly string[];
  /** llama.cpp and vLLM say `reasoning_content` (the default), Ollama and OpenRouter `reasoning`. */
  thinkingField?: 'reasoning_content' | 'reasoning';
  /** Each comes in several chunks: first its name, then its arguments in pieces. */
  toolCalls?: readonly OpenAiToolCall[];
  /** Milliseconds before each token, each thought and each piece of a tool call; default 0. */
  paceMs?: number;
  /** Default: `tool_calls` when there are any, otherwise `stop`. */
  finishReason?: string;
}

/** The reaction to the next `POST /chat/completions`: that of a real model, or that of a faulty server. */
export type OpenAiBehaviour = Answer | Fault;

export interface CompletionRequestBody {
  model: string;
  messages: { role: string; content: string; tool_call_id?: string; tool_calls?: unknown[] }[];
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  tools?: unknown[];
}

/** Answers one chat as `behaviour` says. */
export async function perform(
  behaviour: OpenAiBehaviour,
  body: CompletionRequestBody,
  response: ServerResponse,
): Promise<void> {
  const chat = new OpenAiChat(response, body);
  if (behaviour.kind !== 'answer') return performFault(behaviour, chat, response);
  return body.stream === true ? chat.stream(behaviour) : chat.whole(behaviour);
}

export function errorDocument(status: number, message: string): Record<string, unknown> {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  return { error: { message, type, param: null, code: null } };
}

const DEFAULT_TOKENS = ['Hello', ' from', ' the', ' test', ' model.'];
const ARGUMENT_PIECE_LENGTH = 5;

/** The events of one chat, in the format of OpenAI. */
class OpenAiChat implements ChatResponse {
  readonly streamType = 'text/event-stream';

  constructor(
    private readonly response: ServerResponse,
    private readonly body: CompletionRequestBody,
  ) {}

  async stream(answer: Answer): Promise<void> {
    const { thinking = [], thinkingField = 'reasoning_content', toolCalls = [], paceMs } = answer;
    const tokens = answer.tokens ?? DEFAULT_TOKENS;
    await this.begin();
    for (const thought of thinking) await this.delta({ [thinkingField]: thought }, paceMs);
    await this.tokens(tokens, paceMs);
    for (const piece of toolCalls.flatMap(toolCallPieces)) await this.delta({ tool_calls: [piece] }, paceMs);
    await this.event(this.chunk([{ index: 0, delta: {}, finish_reason: finishReason(answer) }]));
    if (this.body.stream_options?.include_usage === true)
      await this.event({ ...this.chunk([]), usage: usage(tokens) });
    if (!this.response.destroyed) this.response.end('data: [DONE]\n\n');
  }

  whole(answer: Answer): void {
    const tokens = answer.tokens ?? DEFAULT_TOKENS;
    const message = {
      role: 'assistant',
      content: tokens.join(''),
      ...(answer.thinking && { [answer.thinkingField ?? 'reasoning_content']: answer.thinking.join('') }),
      ...(answer.toolCalls && { tool_calls: answer.toolCalls.map(wholeToolCall) }),
    };
    sendJson(this.response, 200, {
      ...this.chunk([{ index: 0, message, finish_reason: finishReason(answer) }]),
      object: 'chat.completion',
      usage: usage(tokens),
    });
  }

  async tokens(tokens: readonly string[], paceMs = 0): Promise<void> {
    await this.begin();
    for (const content of tokens) await this.delta({ content }, paceMs);
  }

  error(error: string): string {
    return event(errorDocument(500, error));
  }

  junk(junk: string): string {
    return `data: ${junk}\n\n`;
  }

  errorDocument(status: number, error: string): Record<string, unknown> {
    return errorDocument(status, error);
  }

  /** Sends the headers and the role at once, before the model has read the question. */
  private async begin(): Promise<void> {
    if (this.response.headersSent || this.response.destroyed) return;
    this.response.writeHead(200, { 'content-type': this.streamType });
    await this.delta({ role: 'assistant', content: '' });
  }

  private async delta(delta: Record<string, unknown>, paceMs = 0): Promise<void> {
    if (paceMs > 0) await sleep(paceMs);
    await this.event(this.chunk([{ index: 0, delta, finish_reason: null }]));
  }

  private async event(value: Record<string, unknown>): Promise<void> {
    await write(this.response, event(value));
  }

  private chunk(choices: object[]): Record<string, unknown> {
    return {
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1,
      model: this.body.model,
      choices,
    };
  }
}

function event(value: Record<string, unknown>): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function finishReason({ finishReason, toolCalls = [] }: Answer): string {
  return finishReason ?? (toolCalls.length > 0 ? 'tool_calls' : 'stop');
}

function usage(tokens: readonly string[]): Record<string, number> {
  return { prompt_tokens: 11, completion_tokens: tokens.length, total_tokens: 11 + tokens.length };
}

function wholeToolCall(call: OpenAiToolCall, index: number): object {
  const { name, arguments: given } = call;
  return { id: `call_${index}`, type: 'function', function: { name, arguments: JSON.stringify(given) } };
}

function toolCallPieces({ name, arguments: given }: OpenAiToolCall, index: number): object[] {
  const text = JSON.stringify(given);
  const pieces: object[] = [
    { index, id: `call_${index}`, type: 'function', function: { name, arguments: '' } },
  ];
  for (let at = 0; at < text.length; at += ARGUMENT_PIECE_LENGTH)
    pieces.push({ index, function: { arguments: text.slice(at, at + ARGUMENT_PIECE_LENGTH) } });
  return pieces;
}
