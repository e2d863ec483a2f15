import { EventEmitter, once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { breakOff, broken } from './model-response.js';

export interface RecordedRequest<Body> {
  body: Body;
  headers: IncomingHttpHeaders;
  /** How it ended: `aborted` when the client left before the whole response was sent. */
  ended: Promise<'answered' | 'aborted' | 'broken'>;
  /** Milliseconds since the epoch at which the client left. */
  abortedAt?: number;
  /** Number of the TCP connection that carried it, from 1. */
  connection: number;
}

/** A model server that records the chats it is asked for, and misbehaves when told to. */
export abstract class ModelServer<Body extends { model: string }, Behaviour> {
  readonly requests: RecordedRequest<Body>[] = [];
  protected readonly origin: string;
  private readonly arrivals = new EventEmitter();
  private readonly script: Behaviour[] = [];
  private choose: ((body: Body) => Behaviour) | undefined;
  private readonly streaming = new Set<ServerResponse>();
  private connections = 0;
  private readonly connectionNumbers = new WeakMap<object, number>();

  protected constructor(
    private readonly server: Server,
    protected readonly models: readonly string[],
  ) {
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => this.connectionNumbers.set(socket, (this.connections += 1)));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.handle(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  protected static async listen(port: number): Promise<Server> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  /** Base address, as a responder is given it. */
  abstract get url(): string;

  /** Sets the reactions to the next chats, one each; the last one stays. */
  behave(...behaviours: Behaviour[]): void {
    this.script.splice(0, Infinity, ...behaviours);
  }

  /** From now on `choose` determines the reaction to each chat from its request. */
  behaveBy(choose: (body: Body) => Behaviour): void {
    this.choose = choose;
  }

  /** Cuts every answer in progress. Returns how many. */
  breakStreams(): number {
    for (const response of this.streaming) breakOff(response);
    return this.streaming.size;
  }

  /** Resolves with the n-th chat (from 0) as soon as it has arrived. */
  async request(index: number): Promise<RecordedRequest<Body>> {
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

  /** Answers a request that is no chat. Returns false for a chat. */
  protected abstract answerOther(route: string, response: ServerResponse): boolean;

  protected abstract chat(
    body: Body,
    behaviour: Behaviour | undefined,
    response: ServerResponse,
  ): Promise<void>;

  /** Refuses a chat with a model that the server does not have. Returns false if it has it. */
  protected abstract refuseModel(model: string, response: ServerResponse): boolean;

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.answerOther(`${request.method} ${request.url}`, response)) return;
    const body = JSON.parse(await readBody(request)) as Body;
    const recorded: RecordedRequest<Body> = {
      body,
      headers: request.headers,
      ended: endOf(response, () => (recorded.abortedAt = Date.now())),
      connection: this.connectionNumbers.get(request.socket) ?? 0,
    };
    this.requests.push(recorded);
    this.arrivals.emit('request');
    if (this.refuseModel(body.model, response)) return;
    const scripted = this.script.length > 1 ? this.script.shift() : this.script[0];
    this.streaming.add(response);
    response.once('close', () => this.streaming.delete(response));
    await this.chat(body, this.choose?.(body) ?? scripted, response);
  }
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
