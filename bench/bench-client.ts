import WebSocket from 'ws';
import { type ServerFrame, SUBPROTOCOL } from '../protocol/messages.js';
import type { IssuedTicket, SignIn, TicketPurpose } from '../protocol/resources.js';
import { PASSWORD } from './bench-cluster.js';

const LIMIT_MS = 15_000;

/** A refusal of a valid client; failures are counted by its code. */
export class Refused extends Error {
  constructor(
    readonly step: string,
    readonly code: string,
  ) {
    super(`${step}: ${code}`);
  }
}

/** @throws {Refused} with the code of the problem, or the status when there is none. */
export function post<Body>(
  port: number,
  path: string,
  body: object | undefined,
  accessToken?: string,
): Promise<Body> {
  return call('POST', port, path, body, accessToken);
}

/** As `post`. */
export function get<Body>(port: number, path: string, accessToken: string): Promise<Body> {
  return call('GET', port, path, undefined, accessToken);
}

async function call<Body>(
  method: string,
  port: number,
  path: string,
  body: object | undefined,
  accessToken: string | undefined,
): Promise<Body> {
  const headers = new Headers();
  if (body !== undefined) headers.set('content-type', 'application/json');
  if (accessToken !== undefined) headers.set('authorization', `Bearer ${accessToken}`);
  let response: Response;
  try {
    response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(LIMIT_MS),
    });
  } catch (error) {
    throw new Refused(path, error instanceof Error ? error.name : 'unknown');
  }
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as Body;
  throw new Refused(path, codeOf(text) ?? String(response.status));
}

export function signIn(port: number, email: string): Promise<SignIn> {
  return post(port, '/auth/login', { email, password: PASSWORD });
}

export function mint(port: number, accessToken: string, purpose: TicketPurpose): Promise<IssuedTicket> {
  return post(port, '/websocket/ticket', { purpose }, accessToken);
}

/** An open socket, and how it ended. */
export class BenchSocket {
  /** Set once it is closed, with the time from `performance.now()`. */
  closed: { code: number; atMs: number } | undefined;
  /** Resolves with the code when it is closed, by either side. */
  readonly over: Promise<number>;
  private waiting: { isWanted: (frame: ServerFrame) => boolean; take: () => void } | undefined;
  private whenClosed: (() => void) | undefined;

  private constructor(private readonly ws: WebSocket) {
    ws.on('message', (data: Buffer) => {
      if (this.waiting === undefined) return;
      if (this.waiting.isWanted(JSON.parse(data.toString()) as ServerFrame)) this.waiting.take();
    });
    this.over = new Promise((resolve) => {
      ws.on('close', (code) => {
        this.closed = { code, atMs: performance.now() };
        this.whenClosed?.();
        resolve(code);
      });
    });
  }

  /** Resolves when `ready` has arrived. @throws {Refused} */
  static async open(port: number, ticket: string): Promise<BenchSocket> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/ws?ticket=${ticket}`, SUBPROTOCOL);
    const socket = new BenchSocket(ws);
    let refusal: string | undefined;
    ws.on('unexpected-response', (_request, response) => {
      refusal = String(response.statusCode);
      ws.terminate();
    });
    // "close" follows and ends the wait.
    ws.on('error', () => undefined);
    try {
      await socket.next((frame) => frame.type === 'ready', 'ready');
    } catch (error) {
      ws.terminate();
      throw refusal === undefined ? error : new Refused('upgrade', refusal);
    }
    return socket;
  }

  /** Sends a frame and waits for its answer. @throws {Refused} */
  async ask(type: string, data: object, answerType: ServerFrame['type']): Promise<void> {
    let answer: ServerFrame | undefined;
    await this.exchange(type, data, (frame) => {
      answer = frame;
      return frame.re === type;
    });
    if (answer?.type === answerType) return;
    throw new Refused(type, codeOf(JSON.stringify(answer?.data)) ?? 'unexpected');
  }

  /** Sends a frame whose id is its type, and reads until `isLast` is true. @throws {Refused} */
  async exchange(type: string, data: object, isLast: (frame: ServerFrame) => boolean): Promise<void> {
    this.ws.send(JSON.stringify({ type, id: type, data }));
    await this.next(isLast, type);
  }

  /** Resolves when it is closed, by either side, or rejects after `limitMs`. */
  async closes(limitMs: number): Promise<{ code: number; atMs: number }> {
    await new Promise<void>((resolve, reject) => {
      if (this.closed !== undefined) return resolve();
      const timer = setTimeout(() => reject(new Refused('close', 'timeout')), limitMs);
      this.whenClosed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    if (this.closed === undefined) throw new Refused('close', 'unexpected');
    return this.closed;
  }

  async close(): Promise<void> {
    this.ws.close(1000);
    await this.closes(LIMIT_MS);
  }

  private async next(isWanted: (frame: ServerFrame) => boolean, step: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => done(new Refused(step, 'timeout')), LIMIT_MS);
      const done = (failure?: Refused): void => {
        clearTimeout(timer);
        this.waiting = undefined;
        this.whenClosed = undefined;
        if (failure === undefined) resolve();
        else reject(failure);
      };
      this.waiting = { isWanted, take: () => done() };
      this.whenClosed = () => done(new Refused(step, `closed_${this.closed?.code}`));
    });
  }
}

function codeOf(json: string | undefined): string | undefined {
  if (json?.startsWith('{') !== true) return undefined;
  const { code } = JSON.parse(json) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
