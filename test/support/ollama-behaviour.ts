import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

export interface OllamaToolCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** The reaction to the next `POST /api/chat`: first that of a real model, then those of faulty servers. */
export type Behaviour =
  | {
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
  /** Closes the connection before any header. */
  | { kind: 'refuse' }
  | { kind: 'hang-before-headers' }
  /** After these tokens the connection stays open and nothing more is sent. */
  | { kind: 'hang-between-tokens'; tokens: readonly string[] }
  /** After these tokens the connection is reset. */
  | { kind: 'cut'; tokens: readonly string[] }
  /** After these tokens the response ends cleanly, but without the line that says `done`. */
  | { kind: 'end-without-done'; tokens: readonly string[] }
  | { kind: 'error-mid-stream'; tokens: readonly string[]; error: string }
  | { kind: 'junk'; tokens: readonly string[]; junk: string }
  /** A status other than 200, with Ollama's error document. */
  | { kind: 'status'; status: number; error: string; headers?: Record<string, string> }
  /** Exactly these bytes, each item in its own chunk. */
  | { kind: 'bytes'; chunks: readonly (string | Uint8Array)[]; contentType?: string; paceMs?: number };

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
  const chat = new ChatResponse(response, body.model);
  switch (behaviour.kind) {
    case 'answer':
      return body.stream === false ? chat.whole(behaviour) : chat.stream(behaviour);
    case 'refuse':
      return breakOff(response);
    case 'hang-before-headers':
      return;
    case 'hang-between-tokens':
      return chat.tokens(behaviour.tokens);
    case 'cut':
      await chat.tokens(behaviour.tokens);
      return breakOff(response);
    case 'end-without-done':
      await chat.tokens(behaviour.tokens);
      response.end();
      return;
    case 'error-mid-stream':
      await chat.tokens(behaviour.tokens);
      response.end(`${JSON.stringify({ error: behaviour.error })}\n`);
      return;
    case 'junk':
      await chat.tokens(behaviour.tokens);
      response.end(`${behaviour.junk}\n`);
      return;
    case 'status':
      return sendJson(response, behaviour.status, { error: behaviour.error }, behaviour.headers);
    case 'bytes':
      response.writeHead(200, { 'content-type': behaviour.contentType ?? NDJSON });
      for (const chunk of behaviour.chunks) {
        await write(response, chunk);
        await sleep(behaviour.paceMs ?? 1);
        if (response.destroyed) return;
      }
      response.end();
      return;
    default: {
      const unreachable: never = behaviour;
      throw new Error(`unknown behaviour ${JSON.stringify(unreachable)}`);
    }
  }
}

const NDJSON = 'application/x-ndjson';
const DEFAULT_TOKENS = ['Hello', ' from', ' the', ' test', ' model.'];
type Answer = Extract<Behaviour, { kind: 'answer' }>;

/** The lines of one chat, in the format of Ollama. */
class ChatResponse {
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

  private async line(message: Record<string, unknown>, paceMs = 0): Promise<void> {
    if (paceMs > 0) await sleep(paceMs);
    if (this.response.destroyed) return;
    if (!this.response.headersSent) this.response.writeHead(200, { 'content-type': NDJSON });
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

/** Responses that were broken off on purpose. */
export const broken = new WeakSet<ServerResponse>();

export function breakOff(response: ServerResponse): void {
  broken.add(response);
  // Not a reset, which could overtake bytes that the client has not read yet.
  response.socket?.destroy();
}

/** Waits, but does not keep a finished test run from ending. */
async function sleep(ms: number): Promise<void> {
  await wait(ms, undefined, { ref: false });
}

/** Resolves once the bytes are handed to the socket, so that a later reset does not overtake them. */
async function write(response: ServerResponse, bytes: string | Uint8Array): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    response.once('close', resolve);
    response.write(bytes, () => {
      response.off('close', resolve);
      resolve();
    });
  });
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}
