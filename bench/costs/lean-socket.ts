import { connect, type Socket } from 'node:net';
import { SUBPROTOCOL } from '../../protocol/messages.js';
import type { Dialect } from './dialect.js';

/** An origin that every server of a run allows; browsers send one. */
export const ORIGIN = 'http://bench.test';

const HEAD_END = '\r\n\r\n';
const SWITCHING = 101;
const FINAL = 0x80;
const MASKED = 0x80;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const EMPTY: Buffer = Buffer.alloc(0);
/** The server has to hash it, nobody checks the result: these programs measure servers that others test. */
const KEY = Buffer.from('single-use-ticke').toString('base64');
const LIMIT_MS = 30_000;

/**
 * A WebSocket client that costs less than any server, so that a server is what is measured: no objects per frame, no
 * copies of what arrives, and a mask of zeros, which RFC 6455 allows and which changes nothing.
 */
export class LeanSocket {
  /** Called for each text frame; the bytes are valid only during the call. */
  onFrame: (text: Buffer) => void = ignore;
  /** Called once, with `status 403` and the like when the upgrade was refused. */
  onEnd: (reason: string) => void = ignore;
  private readonly socket: Socket;
  private rest = EMPTY;
  private isOpen = false;
  private hasEnded = false;

  /** @param from an address of this machine; each has its own ports */
  constructor(
    port: number,
    ticket: string,
    from: string,
    private readonly dialect: Dialect,
  ) {
    this.socket = connect({ host: '127.0.0.1', port, localAddress: from, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => this.receive(chunk));
    this.socket.on('error', (error) => this.end(error.message));
    this.socket.on('close', () => this.end('the connection was closed'));
    this.socket.write(
      `GET ${dialect.upgradePath(ticket)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\n` +
        `Upgrade: websocket\r\nOrigin: ${ORIGIN}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n` +
        `Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n` +
        `Sec-WebSocket-Protocol: ${SUBPROTOCOL}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)${HEAD_END}`,
    );
  }

  get isOver(): boolean {
    return this.hasEnded;
  }

  /** Sends what `frameOf` has made. */
  send(frame: Buffer): void {
    this.socket.write(frame);
  }

  /** The bytes of a frame, for those that are sent often. */
  frameOf(type: string, data: object): Buffer {
    return masked(TEXT, Buffer.from(this.dialect.textOf(type, data)));
  }

  /** Resolves with the next frame that contains `mark`. */
  async next(mark: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(`none came within ${LIMIT_MS} ms`), LIMIT_MS);
      const fail = (reason: string): void => {
        clearTimeout(timer);
        reject(new Error(`expected a frame with ${mark}: ${reason}`));
      };
      this.onEnd = fail;
      this.onFrame = (text) => {
        if (text.includes('"type":"error"')) return fail(text.toString());
        if (!text.includes(mark)) return;
        clearTimeout(timer);
        this.onFrame = this.onEnd = ignore;
        resolve(text.toString());
      };
    });
  }

  /** Ends the connection as a lost network or a killed program does: without a close frame. */
  drop(): void {
    this.onEnd = ignore;
    this.hasEnded = true;
    this.socket.destroy();
  }

  private receive(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    this.rest = EMPTY;
    if (!this.isOpen) {
      const end = bytes.indexOf(HEAD_END);
      if (end === -1) {
        this.rest = bytes;
        return;
      }
      const status = Number(bytes.toString('latin1', 9, 12));
      if (status !== SWITCHING) {
        this.end(`status ${status}`);
        this.socket.destroy();
        return;
      }
      this.isOpen = true;
      bytes = bytes.subarray(end + HEAD_END.length);
    }
    this.readFrames(bytes);
  }

  private readFrames(bytes: Buffer): void {
    let at = 0;
    for (;;) {
      const size = payloadSize(bytes, at);
      const start = at + headSize(size);
      if (size === -1 || start + size > bytes.length) break;
      this.take(bytes.readUInt8(at), bytes.subarray(start, start + size));
      at = start + size;
    }
    if (at < bytes.length) this.rest = bytes.subarray(at);
  }

  private take(first: number, payload: Buffer): void {
    if (first === (FINAL | TEXT)) {
      const isAnswered = this.dialect.answers(payload, (text) => this.send(masked(TEXT, Buffer.from(text))));
      if (!isAnswered) this.onFrame(payload);
    } else if (first === (FINAL | PING)) this.send(masked(PONG, payload));
    else if (first === (FINAL | CLOSE)) this.end(`close ${payload.length < 2 ? '' : payload.readUInt16BE()}`);
    else this.end(`a frame that begins with ${first}`);
  }

  private end(reason: string): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.onEnd(reason);
  }
}

/** RFC 6455 section 5.2; -1 while its own bytes are not complete. */
function payloadSize(bytes: Buffer, at: number): number {
  const left = bytes.length - at;
  if (left < 2) return -1;
  const short = bytes.readUInt8(at + 1);
  if (short < 126) return short;
  if (short === 126) return left < 4 ? -1 : bytes.readUInt16BE(at + 2);
  return left < 10 ? -1 : Number(bytes.readBigUInt64BE(at + 2));
}

/** A size is always sent in its shortest form. */
function headSize(payload: number): number {
  if (payload < 126) return 2;
  return payload < 65_536 ? 4 : 10;
}

/** A frame of a client, shorter than 64 KiB. */
function masked(opcode: number, payload: Buffer): Buffer {
  const isShort = payload.length < 126;
  const head = Buffer.alloc(isShort ? 6 : 8);
  head.writeUInt8(FINAL | opcode);
  head.writeUInt8(MASKED | (isShort ? payload.length : 126), 1);
  if (!isShort) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

function ignore(): void {
  // Nobody listens at the moment.
}
