import { CLOSE_CODES } from '../../protocol/close-codes.js';
import { LIMITS, type ServerFrame, type ServerFrameData } from '../../protocol/messages.js';
import { tooLargeError } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { startLimit } from './time-limit.js';

export type Ready = ServerFrameData['ready'];

/** What a link needs of a browser's `WebSocket`. */
export type SocketLike = Pick<WebSocket, 'send' | 'close' | 'addEventListener'>;

export interface LinkEnd {
  /** False when the handshake never reached `ready`. */
  wasReady: boolean;
  /** Absent without a close frame. */
  code: number | undefined;
  reason: string;
}

export interface LinkHandlers {
  ready(ready: Ready): void;
  frame(frame: ServerFrame): void;
  /** Called once, and never after `close()`. */
  ended(end: LinkEnd): void;
}

/** One socket from the dial to its end. */
export class Link {
  private readonly listening = new AbortController();
  private readonly heartbeat = new Heartbeat();
  private readonly stopReadyLimit: () => void;
  private wasReady = false;
  private maxFrameBytes: number = LIMITS.maxFrameBytes;

  constructor(
    private readonly socket: SocketLike,
    private readonly handlers: LinkHandlers,
    readyTimeoutMs: number,
    /** Frame ids: never the same on two links of one client, which may be open at the same time. */
    private readonly nextFrameId: () => string,
  ) {
    const { signal } = this.listening;
    socket.addEventListener(
      'message',
      (event) => {
        this.receive(event.data);
      },
      { signal },
    );
    socket.addEventListener(
      'close',
      (event) => {
        this.end(saidGoodbye(event) ? event.code : undefined, event.reason);
      },
      { signal },
    );
    this.stopReadyLimit = startLimit(readyTimeoutMs, () => this.lose());
  }

  /**
   * @returns the id that the answer will carry.
   * @throws ApiError `payload_too_large`, before anything is sent
   */
  send(type: string, data: object): string {
    const id = this.nextFrameId();
    const text = JSON.stringify({ type, id, data });
    const { length: bytes } = new TextEncoder().encode(text);
    // The server would close the socket, for all that waits on it.
    if (bytes > this.maxFrameBytes) throw tooLargeError(bytes, this.maxFrameBytes);
    this.socket.send(text);
    return id;
  }

  close(): void {
    this.stop();
    this.socket.close(CLOSE_CODES.normal);
  }

  private receive(text: unknown): void {
    this.heartbeat.heard();
    const frame = parseFrame(text);
    if (frame === undefined) return;
    if (frame.type === 'ready') this.becomeReady(frame.data);
    else this.handlers.frame(frame);
  }

  private becomeReady(ready: Ready): void {
    this.stopReadyLimit();
    this.wasReady = true;
    this.maxFrameBytes = ready.limits.max_frame_bytes;
    this.heartbeat.start(
      ready.heartbeat,
      () => this.send('ping', { t: Date.now() }),
      () => {
        this.lose();
      },
    );
    this.handlers.ready(ready);
  }

  /** A close handshake on a dead network takes a minute or more: detach first, then start it. */
  private lose(): void {
    this.end(undefined, '');
    this.socket.close();
  }

  private end(code: number | undefined, reason: string): void {
    this.stop();
    this.handlers.ended({ wasReady: this.wasReady, code, reason });
  }

  private stop(): void {
    this.listening.abort();
    this.heartbeat.stop();
    this.stopReadyLimit();
  }
}

/**
 * RFC 6455 section 7.1.5: without a close frame the browser sets a code that no server can send. A reason can only come
 * from the server, also when the TCP connection broke before the closing handshake was complete.
 */
function saidGoodbye(event: { wasClean: boolean; reason: string }): boolean {
  return event.wasClean || event.reason !== '';
}

/** A frame of an unknown type is still a frame; code that switches on `type` skips it. */
function parseFrame(text: unknown): ServerFrame | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const value = JSON.parse(text) as unknown;
    return isFrame(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFrame(value: unknown): value is ServerFrame {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'data' in value &&
    typeof value.data === 'object' &&
    value.data !== null
  );
}
