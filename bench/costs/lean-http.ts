import { connect, type Socket } from 'node:net';
import { ORIGIN } from './lean-socket.js';

export interface HttpAnswer {
  status: number;
  body: string;
}

const HEAD_END = '\r\n\r\n';
const EMPTY: Buffer = Buffer.alloc(0);

/** One HTTP connection that is kept, with one request at a time: as `lean-socket.ts`, it costs less than a server. */
export class LeanHttp {
  private socket: Socket | undefined;
  private received = EMPTY;
  private settle: ((answer: HttpAnswer | Error) => void) | undefined;

  constructor(
    private readonly port: number,
    private readonly from: string,
  ) {}

  /** Mints a ticket. Refusals reject with their status. */
  async mint(accessToken: string): Promise<string> {
    const { status, body } = await this.post('/websocket/ticket', accessToken, '');
    if (status !== 201) throw new Error(`POST /websocket/ticket: status ${status} ${body}`);
    return (JSON.parse(body) as { ticket: string }).ticket;
  }

  async post(path: string, accessToken: string, body: string): Promise<HttpAnswer> {
    const socket = this.connected();
    const type = body === '' ? '' : 'Content-Type: application/json\r\n';
    return new Promise((resolve, reject) => {
      this.settle = (answer) => (answer instanceof Error ? reject(answer) : resolve(answer));
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.port}\r\nOrigin: ${ORIGIN}\r\n` +
          `Authorization: Bearer ${accessToken}\r\n${type}Content-Length: ${Buffer.byteLength(body)}\r\n` +
          `User-Agent: Mozilla/5.0 (X11; Linux x86_64)${HEAD_END}${body}`,
      );
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  /** The server ends a connection that was idle for long. */
  private connected(): Socket {
    if (this.socket?.writable === true) return this.socket;
    const socket = connect({ host: '127.0.0.1', port: this.port, localAddress: this.from, noDelay: true });
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) => this.finish(error));
    socket.on('close', () => this.finish(new Error('the connection was closed')));
    this.received = EMPTY;
    this.socket = socket;
    return socket;
  }

  private receive(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const end = this.received.indexOf(HEAD_END);
    if (end === -1) return;
    const head = this.received.toString('latin1', 0, end);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    const start = end + HEAD_END.length;
    if (this.received.length < start + length) return;
    const body = this.received.toString('utf8', start, start + length);
    this.received = EMPTY;
    this.finish({ status: Number(head.slice(9, 12)), body });
  }

  private finish(answer: HttpAnswer | Error): void {
    const { settle } = this;
    this.settle = undefined;
    settle?.(answer);
  }
}
