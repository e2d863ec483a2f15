import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import {
  ModelRefusal,
  modelUnavailable,
  asAppError,
  codeOf,
  parseJson,
  readText,
  refusal,
  responseTo,
} from './model-reply.js';
import { ModelExchange } from './model-exchange.js';

/**
 * Requests to one model server. Uses node:http rather than fetch, which costs more per token. Redirects are not
 * followed: the conversation goes only to the configured server.
 */
export class ModelHttp {
  private readonly base: URL;
  private readonly client: typeof http | typeof https;
  private readonly agent: http.Agent;

  /** @param url base address; a path in it is kept */
  constructor(
    url: string,
    private readonly headers: Record<string, string> = {},
  ) {
    // Without the slash, a path in the address would be replaced instead of extended.
    this.base = new URL(url.endsWith('/') ? url : `${url}/`);
    this.client = this.base.protocol === 'https:' ? https : http;
    this.agent = new this.client.Agent({ keepAlive: true });
  }

  /** Sends a question. @throws ModelRefusal for another status than 200; Error when the connection fails */
  async ask(path: string, body: object, exchange: ModelExchange): Promise<IncomingMessage> {
    const response = await this.post(path, JSON.stringify(body), exchange);
    if (response.statusCode !== 200) throw await this.refused(response);
    return response;
  }

  /**
   * The JSON document at an address, or the answer to one that is sent.
   * @throws ModelRefusal for another status than 200; AppError `dependency_unavailable`
   */
  async document(path: string, timeoutMs: number, body?: object): Promise<unknown> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const sent = body && JSON.stringify(body);
      const request = this.client.request(new URL(path, this.base), {
        ...{ agent: this.agent, signal, method: sent === undefined ? 'GET' : 'POST' },
        headers: { ...this.headers, ...(sent !== undefined && typed(sent)) },
      });
      request.end(sent);
      const response = await responseTo(request);
      if (response.statusCode !== 200) throw await this.refused(response);
      return parseJson(await readText(response));
    } catch (error) {
      if (signal.aborted)
        throw modelUnavailable(`expected an answer within ${timeoutMs} ms, none came`, error);
      throw error;
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.agent.destroy();
  }

  /** The server's own words, without the key that it may repeat in them. */
  private async refused(response: IncomingMessage): Promise<ModelRefusal> {
    const { status, reason, retryAfterMs } = await refusal(response);
    const key = this.headers.Authorization?.replace(/^Bearer /, '');
    return new ModelRefusal(status, key === undefined ? reason : reason.replaceAll(key, '…'), retryAfterMs);
  }

  private async post(path: string, body: string, exchange: ModelExchange): Promise<IncomingMessage> {
    const headers = { ...this.headers, ...typed(body) };
    const send = (agent: http.Agent | false): ClientRequest => {
      const request = this.client.request(new URL(path, this.base), { method: 'POST', headers, agent });
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

/**
 * Runs one exchange to its end. Leaving it early destroys the connection, which makes a server stop generating.
 * @throws AppError `dependency_unavailable`, or the signal's reason once it is aborted
 */
export async function* exchanged<T>(
  exchange: ModelExchange,
  model: string,
  work: () => AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  try {
    yield* work();
  } catch (error) {
    exchange.signal.throwIfAborted();
    if (!exchange.isDone) throw exchange.failure ?? asAppError(error, model);
  } finally {
    exchange.close();
  }
}

function typed(body: string): Record<string, string | number> {
  return { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
}
