import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Problem } from '../../protocol/errors.js';
import { rememberCode } from './seen-codes.js';
import { dialPath } from './socket.js';
import type { ConnectOptions } from './socket.js';
import { eventually, within } from './waiting.js';

export interface RawAnswer {
  /** `HTTP/1.1 403 Forbidden`. */
  statusLine: string;
  status: number;
  /** Names in lower case; the values of a repeated header are joined by a comma. */
  headers: Record<string, string>;
  body: string;
  problem(): Problem;
}

export interface RawUpgrade extends Omit<ConnectOptions, 'protocols'> {
  method?: string;
  /** Replaces a header of the handshake, or leaves it out when undefined. */
  handshake?: Record<string, string | undefined>;
}

/** A handshake over a bare TCP socket, which shows any response byte for byte. */
export async function rawUpgrade(node: { port: number }, options: RawUpgrade = {}): Promise<RawAnswer> {
  return rawRequest(node, handshakeText(node.port, options));
}

/** Sends `text` and reads until the answer is complete or the server hangs up. */
export async function rawRequest(node: { port: number }, text: string): Promise<RawAnswer> {
  const socket = connect(node.port, '127.0.0.1');
  let received = Buffer.alloc(0);
  let answer: RawAnswer | undefined;
  const finished = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      answer = parseAnswer(received, false);
      if (answer !== undefined) resolve();
    });
    socket.once('end', resolve);
    socket.once('error', reject);
  });
  try {
    await within(once(socket, 'connect'), `a connection to port ${node.port}`);
    socket.write(text, 'latin1');
    await within(finished, `an answer to ${text.split('\r\n')[0]}`);
  } finally {
    socket.destroy();
  }
  answer ??= parseAnswer(received, true);
  if (answer === undefined)
    throw new Error(`no HTTP answer, but ${received.length} bytes and the end of the stream`);
  if (isProblem(answer)) rememberCode(answer.problem());
  return answer;
}

function handshakeText(port: number, options: RawUpgrade): string {
  const { method = 'GET', origin, headers = {}, handshake = {} } = options;
  const lines: Record<string, string | undefined> = {
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    Origin: origin,
    ...handshake,
    ...headers,
  };
  const present = Object.entries(lines).filter(([, value]) => value !== undefined);
  const fields = present.map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${dialPath(options)} HTTP/1.1`, ...fields, '', ''].join('\r\n');
}

/** A bare TCP connection for several requests, whose answers come in their order. */
export class RawConnection {
  private received = Buffer.alloc(0);
  private isEnded = false;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    socket.on('error', () => (this.isEnded = true));
    socket.on('close', () => (this.isEnded = true));
  }

  static async open({ port }: { port: number }): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await within(once(socket, 'connect'), `a connection to port ${port}`);
    return new RawConnection(socket);
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next answer, which has a Content-Length; undefined when the server ended the connection instead. */
  async answer(): Promise<RawAnswer | undefined> {
    const answer = await eventually(
      () => parseAnswer(this.received, false) ?? (this.isEnded ? 'none' : undefined),
      'an answer on a connection that is used again',
    );
    if (answer === 'none') return undefined;
    const head = this.received.indexOf('\r\n\r\n') + 4;
    this.received = this.received.subarray(head + Number(answer.headers['content-length'] ?? 0));
    if (isProblem(answer)) rememberCode(answer.problem());
    return answer;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Undefined while bytes are missing; after the end of the stream the response is complete as it is. */
function parseAnswer(bytes: Buffer, ended: boolean): RawAnswer | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const [statusLine = '', ...fields] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]);
  const headers = parseHeaders(fields);
  const rest = bytes.subarray(headEnd + 4);
  const body = status < 200 || status === 204 ? Buffer.alloc(0) : bodyOf(rest, headers, ended);
  if (body === undefined) return undefined;
  const text = body.toString('utf8');
  return { statusLine, status, headers, body: text, problem: () => parseProblem(statusLine, text) };
}

function isProblem({ headers }: RawAnswer): boolean {
  return headers['content-type']?.startsWith('application/problem+json') === true;
}

function parseProblem(statusLine: string, text: string): Problem {
  if (!text.startsWith('{')) throw new Error(`expected a problem object, got "${statusLine}" and "${text}"`);
  return JSON.parse(text) as Problem;
}

function parseHeaders(fields: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const field of fields) {
    const colon = field.indexOf(':');
    const name = field.slice(0, colon).toLowerCase();
    const value = field.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}

function bodyOf(rest: Buffer, headers: Record<string, string>, ended: boolean): Buffer | undefined {
  const length = headers['content-length'];
  if (length !== undefined && rest.length >= Number(length)) return rest.subarray(0, Number(length));
  if (headers['transfer-encoding'] === 'chunked') return dechunk(rest);
  return ended ? rest : undefined;
}

function dechunk(rest: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let position = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', position);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(rest.toString('latin1', position, lineEnd), 16);
    if (size === 0) return Buffer.concat(parts);
    const start = lineEnd + 2;
    if (rest.length < start + size + 2) return undefined;
    parts.push(rest.subarray(start, start + size));
    position = start + size + 2;
  }
}
