import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  breakOff,
  broken,
  perform,
  sendJson,
  type Behaviour,
  type ChatRequestBody,
} from './ollama-behaviour.js';

export interface RecordedRequest {
  body: ChatRequestBody;
  /** How it ended: `aborted` when the client left before the whole response was sent. */
  ended: Promise<'answered' | 'aborted' | 'broken'>;
  /** Milliseconds since the epoch at which the client left. */
  abortedAt?: number;
  /** Number of the TCP connection that carried it, from 1. */
  connection: number;
}

/**
 * A model server that speaks Ollama's protocol (docs.ollama.com/api), and misbehaves when told to. The test in
 * ollama-server.e2e-spec.ts checks the protocol with the official client.
 */
export class OllamaServer {
  readonly requests: RecordedRequest[] = [];
  private readonly arrivals = new EventEmitter();
  private readonly script: Behaviour[] = [];
  private choose: ((body: ChatRequestBody) => Behaviour) | undefined;
  private readonly streaming = new Set<ServerResponse>();
  private connections = 0;
  private readonly connectionNumbers = new WeakMap<object, number>();

  private constructor(
    private readonly server: Server,
    private readonly models: readonly string[],
  ) {
    server.on('connection', (socket) => this.connectionNumbers.set(socket, (this.connections += 1)));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.handle(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(models: readonly string[] = ['test-model:latest'], port = 0): Promise<OllamaServer> {
    const server = createServer();
    const ollama = new OllamaServer(server, models);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return ollama;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Sets the reactions to the next chats, one each; the last one stays. */
  behave(...behaviours: Behaviour[]): void {
    this.script.splice(0, Infinity, ...behaviours);
  }

  /** From now on `choose` determines the reaction to each chat from its request. */
  behaveBy(choose: (body: ChatRequestBody) => Behaviour): void {
    this.choose = choose;
  }

  /** Cuts every answer in progress. Returns how many. */
  breakStreams(): number {
    for (const response of this.streaming) breakOff(response);
    return this.streaming.size;
  }

  /** Resolves with the n-th chat (from 0) as soon as it has arrived. */
  async request(index: number): Promise<RecordedRequest> {
    for (;;) {
      const recorded = this.requests[index];
      if (recorded !== undefined) return recorded;
      await once(this.arrivals, 'request');
    }
  }

  /** Closes the connections that carry no request at the moment. */
  closeIdleConnections(): void {
    this.server.closeIdleConnections();
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /api/version') return sendJson(response, 200, { version: '0.12.6' });
    if (route === 'GET /api/tags') return sendJson(response, 200, { models: this.models.map(modelEntry) });
    if (route !== 'POST /api/chat') return sendJson(response, 404, { error: '404 page not found' });
    const body = JSON.parse(await readBody(request)) as ChatRequestBody;
    const recorded: RecordedRequest = {
      body,
      ended: endOf(response, () => (recorded.abortedAt = Date.now())),
      connection: this.connectionNumbers.get(request.socket) ?? 0,
    };
    this.requests.push(recorded);
    this.arrivals.emit('request');
    if (!this.models.includes(withTag(body.model))) {
      return sendJson(response, 404, { error: `model '${body.model}' not found` });
    }
    const scripted = this.script.length > 1 ? this.script.shift() : this.script[0];
    const behaviour = this.choose?.(body) ?? scripted ?? { kind: 'answer' };
    this.streaming.add(response);
    response.once('close', () => this.streaming.delete(response));
    await perform(behaviour, body, response);
  }
}

function modelEntry(name: string): Record<string, unknown> {
  const details = {
    parent_model: '',
    format: 'gguf',
    family: 'test',
    families: ['test'],
    parameter_size: '1B',
    quantization_level: 'Q4_K_M',
  };
  return { name, model: name, modified_at: '2026-01-01T00:00:00Z', size: 1, digest: '0'.repeat(64), details };
}

function withTag(model: string): string {
  return model.includes(':') ? model : `${model}:latest`;
}

async function endOf(
  response: ServerResponse,
  onAbort: () => void,
): Promise<'answered' | 'aborted' | 'broken'> {
  await new Promise((resolve) => response.once('close', resolve));
  if (response.writableFinished) return 'answered';
  if (broken.has(response)) return 'broken';
  onAbort();
  return 'aborted';
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
