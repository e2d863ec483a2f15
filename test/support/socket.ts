import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import WebSocket from 'ws';
import type {
  ClientFrameData,
  ClientFrameType,
  ServerFrame,
  ServerFrameOf,
  ServerFrameType,
} from '../../protocol/messages.js';
import { SUBPROTOCOL } from '../../protocol/messages.js';
import type { NodeAddress } from './node.js';
import { rememberCode, rememberFrame } from './seen-codes.js';
import { mintTicket } from './user.js';
import type { TestUser } from './user.js';
import { WAIT_MS, within } from './waiting.js';

export interface ConnectOptions {
  ticket?: string;
  /** Default: `/ws`; the ticket is appended. */
  path?: string;
  origin?: string;
  headers?: Record<string, string>;
  /** Default: `chat.v1`; an empty list offers none. */
  protocols?: string[];
}

export interface Closed {
  code: number;
  reason: string;
}

/** The server answered the upgrade with an ordinary HTTP response. */
export class UpgradeRefused extends Error {
  constructor(
    readonly status: number,
    readonly headers: IncomingMessage['headers'],
    readonly body: string,
  ) {
    super(`the upgrade was refused with ${status}: ${body}`);
  }
}

type Matcher = (frame: ServerFrame) => boolean;

/** One real socket; keeps every frame in the order of arrival. */
export class TestSocket {
  readonly frames: ServerFrame[] = [];
  /** Resolves when the socket is closed, by either side. */
  readonly closed: Promise<Closed>;
  private readonly waiting = new Set<() => void>();
  private end: Closed | undefined;
  private read = 0;
  private sent = 0;

  private constructor(readonly ws: WebSocket) {
    this.closed = new Promise((resolve) => {
      ws.once('close', (code, reason) => {
        this.end = { code, reason: reason.toString() };
        resolve(this.end);
        this.wake();
      });
    });
    ws.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString('utf8')) as ServerFrame;
      rememberFrame(frame);
      this.frames.push(frame);
      this.wake();
    });
  }

  /** @throws {UpgradeRefused} with the complete response when the server refuses the upgrade. */
  static async connect(node: NodeAddress, options: ConnectOptions = {}): Promise<TestSocket> {
    const { origin, headers, protocols = [SUBPROTOCOL] } = options;
    const ws = new WebSocket(node.wsUrl + dialPath(options), protocols, { origin, headers });
    const socket = new TestSocket(ws);
    const refused = new Promise<never>((_, reject) => {
      ws.once('unexpected-response', (_request, response) => {
        void readAll(response).then((body) => {
          if (body.startsWith('{')) rememberCode(JSON.parse(body));
          reject(new UpgradeRefused(response.statusCode ?? 0, response.headers, body));
        }, reject);
      });
    });
    ws.on('error', () => {
      // A later error is always followed by "close", which has the code that tests check.
    });
    await within(Promise.race([once(ws, 'open'), refused]), `the upgrade of ${dialPath(options)}`);
    return socket;
  }

  /** Mints a ticket, dials with it and waits for `ready`. */
  static async open(
    node: NodeAddress,
    user: Pick<TestUser, 'accessToken'>,
    options: Omit<ConnectOptions, 'ticket'> & { client_id?: string } = {},
  ): Promise<TestSocket> {
    const { client_id, ...dial } = options;
    const { ticket } = await mintTicket(node, user, { client_id, origin: options.origin });
    const socket = await TestSocket.connect(node, { ...dial, ticket });
    await socket.next('ready');
    return socket;
  }

  /**
   * The next frame of this type after the one that was read last; frames in between are skipped.
   * With `where` only frames for which it is true are returned.
   */
  async next<T extends ServerFrameType>(
    type: T,
    where: (frame: ServerFrameOf<T>) => boolean = () => true,
    limitMs = WAIT_MS,
  ): Promise<ServerFrameOf<T>> {
    const matches: Matcher = (frame) => frame.type === type && where(frame as unknown as ServerFrameOf<T>);
    const index = await this.indexOf(matches, () => this.read, `frame ${type}`, limitMs);
    this.read = index + 1;
    return this.frames[index] as unknown as ServerFrameOf<T>;
  }

  /** Like `next`, for a condition that is not about one type. */
  async nextWhere(matches: Matcher, what: string, limitMs = WAIT_MS): Promise<ServerFrame> {
    const index = await this.indexOf(matches, () => this.read, what, limitMs);
    this.read = index + 1;
    return this.frames[index] as ServerFrame;
  }

  /** Sends a frame and returns the reply with its id in `re`; `next` still sees the reply. */
  async send<T extends ClientFrameType>(
    type: T,
    data: ClientFrameData[T],
    limitMs = WAIT_MS,
  ): Promise<ServerFrame> {
    const id = `f${++this.sent}`;
    const from = this.frames.length;
    this.ws.send(JSON.stringify({ type, id, data }));
    const index = await this.indexOf(
      (frame) => frame.re === id,
      () => from,
      `the answer to ${type}`,
      limitMs,
    );
    return this.frames[index] as ServerFrame;
  }

  /** Sends bytes as they are: for frames that no honest client writes. */
  sendRaw(data: string | Buffer): void {
    this.ws.send(data);
  }

  /** Frames of one type so far. */
  all<T extends ServerFrameType>(type: T): ServerFrameOf<T>[] {
    return this.frames.filter((frame) => frame.type === type) as unknown as ServerFrameOf<T>[];
  }

  /** Waits until this socket is closed, and returns how. */
  async closes(limitMs = WAIT_MS): Promise<Closed> {
    return within(this.closed, `the close of a socket; ${this.story()}`, limitMs);
  }

  /** Closes with 1000 and waits for the answer. */
  async close(): Promise<Closed> {
    this.ws.close(1000);
    return this.closes();
  }

  /** Drops the TCP connection, as a network does. */
  async cut(): Promise<void> {
    this.ws.terminate();
    await this.closed;
  }

  private async indexOf(
    matches: Matcher,
    start: () => number,
    what: string,
    limitMs: number,
  ): Promise<number> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const from = start();
      const index = this.frames.findIndex((frame, position) => position >= from && matches(frame));
      if (index !== -1) return index;
      if (this.end !== undefined) throw new Error(`expected ${what}; ${this.story()}`);
      await this.change(deadline - Date.now(), () => `waited ${limitMs} ms for ${what}; ${this.story()}`);
    }
  }

  /** Resolves at the next frame or at the close. */
  private async change(limitMs: number, describe: () => string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(wake);
        reject(new Error(describe()));
      }, limitMs);
      this.waiting.add(wake);
    });
  }

  private wake(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** The text of the error for a failed wait. */
  private story(): string {
    const types = this.frames
      .map((frame) => frame.type)
      .slice(-20)
      .join(', ');
    const state =
      this.end === undefined ? 'it is open' : `it closed with ${this.end.code} "${this.end.reason}"`;
    return `the socket got [${types}] and ${state}`;
  }
}

export function dialPath({ path = '/ws', ticket }: ConnectOptions): string {
  return ticket === undefined ? path : `${path}${path.includes('?') ? '&' : '?'}ticket=${ticket}`;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
