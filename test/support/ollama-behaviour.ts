import type { ServerResponse } from 'node:http';
import { performFault, sendJson, sleep, write, type ChatResponse, type Fault } from './model-response.js';

export interface OllamaToolCall {
  name: string;
  arguments: Record<string, unknown>;
}

interface Answer {
  kind: 'answer';
  /** Default: a greeting. */
  tokens?: readonly string[];
  /** Sent first, as `message.thinking`. */
  thinking?: readonly string[];
  toolCalls?: readonly OllamaToolCall[];
  /** Milliseconds before each token; default 0. */
  paceMs?: number;
  doneReason?: 'stop' | 'length';
}

/** The reaction to the next `POST /api/chat`: that of a real model, or that of a faulty server. */
export type Behaviour = Answer | Fault;

export interface ChatRequestBody {
  model: string;
  messages: { role: string; content: string; tool_name?: string; tool_calls?: unknown[] }[];
  stream?: boolean;
  tools?: unknown[];
}

/** Answers one chat as `behaviour` says. */
export async function perform(
  behaviour: Behaviour,
  body: ChatRequestBody,
  response: ServerResponse,
): Promise<void> {
  const chat = new OllamaChat(response, body.model);
  if (behaviour.kind !== 'answer') return performFault(behaviour, chat, response);
  return body.stream === false ? chat.whole(behaviour) : chat.stream(behaviour);
}

const DEFAULT_TOKENS = ['Hello', ' from', ' the', ' test', ' model.'];

/** The lines of one chat, in the format of Ollama. */
class OllamaChat implements ChatResponse {
  readonly streamType = 'application/x-ndjson';

  constructor(
    private readonly response: ServerResponse,
    private readonly model: string,
  ) {}

  async stream(answer: Answer): Promise<void> {
    for (const thinking of answer.thinking ?? []) await this.line({ content: '', thinking }, answer.paceMs);
    await this.tokens(answer.tokens ?? DEFAULT_TOKENS, answer.paceMs);
    if (answer.toolCalls !== undefined)
      await this.line({ content: '', tool_calls: answer.toolCalls.map(toolCall) });
    if (this.response.destroyed) return;
    this.response.end(`${JSON.stringify({ ...this.frame({ content: '' }), ...ending(answer) })}\n`);
  }

  whole(answer: Answer): void {
    const message = {
      content: (answer.tokens ?? DEFAULT_TOKENS).join(''),
      ...(answer.thinking && { thinking: answer.thinking.join('') }),
      ...(answer.toolCalls && { tool_calls: answer.toolCalls.map(toolCall) }),
    };
    sendJson(this.response, 200, { ...this.frame(message), ...ending(answer) });
  }

  async tokens(tokens: readonly string[], paceMs = 0): Promise<void> {
    for (const content of tokens) await this.line({ content }, paceMs);
  }

  error(error: string): string {
    return `${JSON.stringify({ error })}\n`;
  }

  junk(junk: string): string {
    return `${junk}\n`;
  }

  errorDocument(_status: number, error: string): Record<string, unknown> {
    return { error };
  }

  private async line(message: Record<string, unknown>, paceMs = 0): Promise<void> {
    if (paceMs > 0) await sleep(paceMs);
    if (this.response.destroyed) return;
    if (!this.response.headersSent) this.response.writeHead(200, { 'content-type': this.streamType });
    await write(this.response, `${JSON.stringify(this.frame(message))}\n`);
  }

  private frame(message: Record<string, unknown>): Record<string, unknown> {
    const created_at = new Date().toISOString();
    return { model: this.model, created_at, message: { role: 'assistant', ...message }, done: false };
  }
}

function ending(answer: Answer): Record<string, unknown> {
  return {
    done: true,
    done_reason: answer.doneReason ?? 'stop',
    total_duration: 5_000_000,
    load_duration: 1_000_000,
    prompt_eval_count: 11,
    prompt_eval_duration: 1_000_000,
    eval_count: (answer.tokens ?? DEFAULT_TOKENS).length,
    eval_duration: 3_000_000,
  };
}

function toolCall(call: OllamaToolCall, index: number): Record<string, unknown> {
  return { function: { index, ...call } };
}
