import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AppError } from '../../errors/app-error.js';
import { TimeLimit } from '../../resilience/time-limit.js';
import { NdjsonLines } from './ndjson.js';
import { modelUnavailable, parseChatLine, type ChatLine } from './ollama-line.js';
import { asAppError, codeOf, modelNames, refusal, requireStream, responseTo } from './ollama-reply.js';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  tool_calls?: { function: { name: string; arguments: Record<string, unknown> } }[];
  tool_name?: string;
}

export interface ChatBody {
  model: string;
  messages: readonly ChatMessage[];
  tools?: readonly object[];
}

export interface StreamLimits {
  /** Milliseconds from the start of the request to the first line. */
  firstTokenMs: number;
  /** Milliseconds between two lines. */
  betweenTokensMs: number;
}

const MAX_LINE_BYTES = 1024 * 1024;
/** How long to wait for the end of the response after its last line, so that the connection can be reused. */
const CLOSING_MS = 250;

/**
 * The part of Ollama's HTTP API that a chat needs. Uses node:http rather than fetch, which costs more per token,
 * and rather than the `ollama` package, whose requests cannot be aborted before the headers.
 */
export class OllamaStream {
  private readonly base: URL;
  private readonly client: typeof http | typeof https;
  private readonly agent: http.Agent;

  constructor(
    url: string,
    private readonly limits: StreamLimits,
  ) {
    // Without the slash, a path in OLLAMA_URL would be replaced instead of extended.
    this.base = new URL(url.endsWith('/') ? url : `${url}/`);
    this.client = this.base.protocol === 'https:' ? https : http;
    this.agent = new this.client.Agent({ keepAlive: true });
  }

  /**
   * Yields the lines of one answer, up to the one with `done`. Aborting or leaving the loop destroys the connection,
   * which makes Ollama stop generating.
   * @throws AppError `dependency_unavailable`, or the signal's reason
   */
  async *chat(body: ChatBody, signal: AbortSignal): AsyncGenerator<ChatLine, void> {
    signal.throwIfAborted();
    const exchange = new Exchange(signal);
    let isDone = false;
    try {
      exchange.expect(this.limits.firstTokenMs, `the first token within ${this.limits.firstTokenMs} ms`);
      const response = await this.post('api/chat', JSON.stringify({ ...body, stream: true }), exchange);
      await requireStream(response);
      for await (const value of values(response)) {
        if (isDone) continue;
        exchange.rest();
        signal.throwIfAborted();
        const line = parseChatLine(value);
        isDone = line.done;
        yield line;
        if (isDone) exchange.expect(CLOSING_MS, 'the end of the response');
        else exchange.expect(this.limits.betweenTokensMs, `a token within ${this.limits.betweenTokensMs} ms`);
      }
      if (!isDone)
        throw modelUnavailable('expected a last line with "done": true, the stream ended without it');
    } catch (error) {
      signal.throwIfAborted();
      if (!isDone) throw exchange.failure ?? asAppError(error, body.model);
    } finally {
      exchange.close();
    }
  }

  /** Names of the models that the server has. @throws AppError `dependency_unavailable` */
  async models(timeoutMs: number): Promise<string[]> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const request = this.client.request(new URL('api/tags', this.base), { agent: this.agent, signal });
      request.end();
      const response = await responseTo(request);
      if (response.statusCode !== 200) throw await refusal(response);
      return await modelNames(response);
    } catch (error) {
      if (signal.aborted)
        throw modelUnavailable(`expected the list of models within ${timeoutMs} ms, none came`, error);
      throw asAppError(error, '');
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.agent.destroy();
  }

  private async post(path: string, body: string, exchange: Exchange): Promise<IncomingMessage> {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const send = (agent: http.Agent | false): ClientRequest => {
      const options = { method: 'POST', headers, agent };
      const request = this.client.request(new URL(path, this.base), options);
      exchange.carry(request);
      request.end(body);
      return request;
    };
    const request = send(this.agent);
    try {
      return await responseTo(request);
    } catch (error) {
      // The server closed a kept-alive connection just as it was reused (nodejs.org/api/http.html#requestreusedsocket).
      if (!request.reusedSocket || codeOf(error) !== 'ECONNRESET' || exchange.isStopped) throw error;
      return await responseTo(send(false));
    }
  }
}

/** One request and the two things that stop it: the caller's signal and a timeout. */
class Exchange {
  /** Set when the timeout stopped it. */
  failure: AppError | undefined;
  private request: ClientRequest | undefined;
  private limit: TimeLimit | undefined;
  private readonly stop = (): void => {
    this.request?.destroy();
  };

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.stop, { once: true });
  }

  get isStopped(): boolean {
    return this.signal.aborted || this.failure !== undefined;
  }

  carry(request: ClientRequest): void {
    this.request = request;
  }

  /** Starts the timeout for what is expected next. */
  expect(ms: number, expected: string): void {
    this.limit?.stop();
    this.limit = new TimeLimit(ms, () => {
      this.failure = modelUnavailable(`expected ${expected} from the model, none came`);
      this.stop();
    });
  }

  /** Pauses the timeout while the caller handles a line. */
  rest(): void {
    this.limit?.stop();
  }

  close(): void {
    this.limit?.stop();
    this.signal.removeEventListener('abort', this.stop);
    this.request?.destroy();
  }
}

async function* values(response: IncomingMessage): AsyncGenerator<unknown, void> {
  const lines = new NdjsonLines(MAX_LINE_BYTES);
  for await (const chunk of response) yield* lines.push(chunk as Buffer);
  yield* lines.end();
}
