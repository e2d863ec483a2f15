import { jest } from '@jest/globals';
import type { ServerFrameData, ServerFrameType } from '../../protocol/messages.js';
import type { SocketLike } from '../src/link.js';

// The specs run on Node; the client's own code must not know that.
declare const setImmediate: (callback: (value: unknown) => void) => void;

export const CONVERSATION = '11111111-1111-4111-8111-111111111111';
export const RUN = '22222222-2222-4222-8222-222222222222';
export const ANSWER = '33333333-3333-4333-8333-333333333333';

interface SentFrame {
  type: string;
  id: string;
  data: Record<string, unknown>;
}

export class FakeSocket extends EventTarget {
  readonly sent: SentFrame[] = [];
  closedWith: { code?: number | undefined } | undefined;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    super();
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as SentFrame);
  }

  close(code?: number): void {
    this.closedWith = { code };
  }

  sentOf(type: string): SentFrame[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  deliver<T extends ServerFrameType>(
    type: T,
    data: ServerFrameData[T],
    rest: { re?: string | undefined; conversation_id?: string; seq?: number } = {},
  ): void {
    const text = JSON.stringify({ type, ts: '2026-01-01T00:00:00.000Z', data, ...rest });
    this.dispatchEvent(new MessageEvent('message', { data: text }));
  }

  ready(change: Partial<ServerFrameData['ready']> = {}): void {
    this.deliver('ready', { ...READY, ...change });
  }

  /** Closes the socket as a server does, or without a close frame when there is no code. */
  end(code?: number, reason = ''): void {
    const wasClean = code !== undefined;
    this.dispatchEvent(Object.assign(new Event('close'), { code: code ?? 0, reason, wasClean }));
  }
}

type Answer = { status: number; body?: unknown } | Error;

/** Answers calls from a table, and records them. */
export class FakeServer {
  readonly calls: { method: string; path: string; body: unknown; authorization: string | null }[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly answers = new Map<string, () => Answer>();
  private tickets = 0;

  constructor() {
    this.answers.set('POST /websocket/ticket', () => ({ status: 201, body: this.ticket() }));
  }

  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, search } = new URL(url);
    const method = init.method ?? 'GET';
    this.calls.push({
      method,
      path: pathname + search,
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
      authorization: new Headers(init.headers).get('authorization'),
    });
    const answer = this.answers.get(`${method} ${pathname}`)?.() ?? {
      status: 404,
      body: problem('not_found', 404),
    };
    if (answer instanceof Error) return Promise.reject(answer);
    const text = answer.body === undefined ? null : JSON.stringify(answer.body);
    return Promise.resolve(new Response(text, { status: answer.status }));
  };

  readonly createSocket = (url: string, protocol: string): SocketLike => {
    const socket = new FakeSocket(url, protocol);
    this.sockets.push(socket);
    return socket;
  };

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (last === undefined) throw new Error('expected a socket, but none was opened');
    return last;
  }

  countOf(path: string): number {
    return this.calls.filter((call) => call.path.startsWith(path)).length;
  }

  receipt(number: number, receipt: object): void {
    this.answers.set(`GET /websocket/tickets/tkt_${number}`, () => ({
      status: 200,
      body: { ticket_id: `tkt_${number}`, at: '2026-01-01T00:00:00.000Z', ...receipt },
    }));
  }

  private ticket(): object {
    this.tickets += 1;
    return {
      ticket: `secret${this.tickets}`,
      ticket_id: `tkt_${this.tickets}`,
      url: 'wss://chat.example/ws',
    };
  }
}

export function problem(code: string, status: number, retry = 'none', retryAfterMs = 0): object {
  return {
    type: `/problems/${code}`,
    title: code,
    status,
    detail: '',
    code,
    retry,
    retry_after_ms: retryAfterMs,
  };
}

/** Waits until everything that needs no timer has run. `setImmediate` must be real. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export function useFakeClock(): void {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick', 'performance'] });
}

const READY: ServerFrameData['ready'] = {
  connection_id: 'con_1',
  session_id: 's',
  client_id: 'c',
  node: 'n1',
  protocol: 'chat.v1',
  user: { id: 'u', email: 'a@example.test', role: 'user', display_name: 'A' },
  auth: { method: 'ticket', expires_at: '', refresh_after: '' },
  heartbeat: { interval_ms: 30_000, timeout_ms: 10_000 },
  limits: { max_frame_bytes: 65_536, frames_per_minute: 100 },
  reconnect: { base_ms: 100, max_ms: 1_000 },
  responder: { id: 'builtin', label: 'built-in demo responder, not a language model' },
  server_time: '2026-01-01T00:00:00.000Z',
};
