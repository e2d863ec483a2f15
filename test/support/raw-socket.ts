import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { ServerFrame } from '../../protocol/messages.js';
import { rememberFrame } from './seen-codes.js';
import type { Closed } from './socket.js';
import { dialPath } from './socket.js';
import type { ConnectOptions } from './socket.js';
import { eventually, within } from './waiting.js';

export interface FrameShape {
  /** Default: 1 (text). */
  opcode?: number;
  fin?: boolean;
  /** The three reserved bits, 0-7. */
  reserved?: number;
  masked?: boolean;
  /** The length in the header, when it differs from the real one. */
  length?: bigint;
}

/** One frame of a client, byte for byte (RFC 6455 section 5.2). */
export function clientFrame(payload: string | Buffer, shape: FrameShape = {}): Buffer {
  const { opcode = 1, fin = true, reserved = 0, masked = true } = shape;
  const bytes = Buffer.from(payload);
  const length = shape.length ?? BigInt(bytes.length);
  const header = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const maskBit = masked ? 0x80 : 0;
  const extended = Buffer.alloc(8);
  extended.writeBigUInt64BE(length);
  if (length < 126n) header.push(maskBit | Number(length));
  else if (length < 65_536n) header.push(maskBit | 126, ...extended.subarray(6));
  else header.push(maskBit | 127, ...extended);
  if (!masked) return Buffer.concat([Buffer.from(header), bytes]);
  const mask = randomBytes(4);
  const hidden = bytes.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from(header), mask, hidden]);
}

export function closeFrame(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return clientFrame(Buffer.concat([payload, Buffer.from(reason)]), { opcode: 8 });
}

/**
 * A WebSocket without a library: it writes the given bytes, answers no ping and no close, and reads the server's frames
 * one by one.
 */
export class RawSocket {
  readonly frames: ServerFrame[] = [];
  pings = 0;
  /** Answers pings, as libraries do by themselves. */
  doesPong = false;
  /** The server's close frame, once it has arrived. */
  close: Closed | undefined;
  isEnded = false;
  private pending = Buffer.alloc(0);
  private isOpen = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('close', () => (this.isEnded = true));
    socket.on('error', () => (this.isEnded = true));
  }

  /** Dials, with `first` in the same write as the handshake. */
  static async open(
    node: { port: number },
    options: ConnectOptions,
    first: Buffer = Buffer.alloc(0),
    limitMs?: number,
  ): Promise<RawSocket> {
    const socket = connect(node.port, '127.0.0.1');
    const raw = new RawSocket(socket);
    await within(once(socket, 'connect'), `a connection to port ${node.port}`);
    socket.write(Buffer.concat([Buffer.from(handshake(node.port, options)), first]));
    await eventually(() => raw.isOpen || raw.isEnded, 'the answer to the handshake', limitMs);
    if (!raw.isOpen) throw new Error(`no 101: ${raw.pending.toString('latin1').slice(0, 200)}`);
    return raw;
  }

  write(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The close frame that the server sends; rejects when the stream ends without one. */
  async closes(limitMs?: number): Promise<Closed> {
    await eventually(() => this.close !== undefined || this.isEnded, 'a close frame', limitMs);
    if (this.close === undefined) throw new Error('the stream ended without a close frame');
    return this.close;
  }

  pong(): void {
    this.write(clientFrame('', { opcode: 10 }));
  }

  destroy(): void {
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    this.pending = Buffer.concat([this.pending, chunk]);
    if (!this.isOpen) {
      const end = this.pending.indexOf('\r\n\r\n');
      if (end === -1 || !this.pending.toString('latin1', 0, 12).endsWith('101')) return;
      this.isOpen = true;
      this.pending = this.pending.subarray(end + 4);
    }
    while (this.take());
  }

  /** Takes one frame out of the received bytes; false while bytes are missing. */
  private take(): boolean {
    const [first, second] = this.pending;
    if (first === undefined || second === undefined) return false;
    const short = second & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (this.pending.length < start) return false;
    const length =
      short < 126
        ? short
        : short === 126
          ? this.pending.readUInt16BE(2)
          : Number(this.pending.readBigUInt64BE(2));
    if (this.pending.length < start + length) return false;
    this.keep(first & 0x0f, this.pending.subarray(start, start + length));
    this.pending = this.pending.subarray(start + length);
    return true;
  }

  private keep(opcode: number, payload: Buffer): void {
    if (opcode === 1) {
      const frame = JSON.parse(payload.toString('utf8')) as ServerFrame;
      rememberFrame(frame);
      this.frames.push(frame);
    }
    if (opcode === 9) {
      this.pings += 1;
      if (this.doesPong) this.pong();
    }
    if (opcode === 8) this.close = { code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) };
  }
}

export function handshake(port: number, options: ConnectOptions): string {
  return [
    `GET ${dialPath(options)} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ].join('\r\n');
}
