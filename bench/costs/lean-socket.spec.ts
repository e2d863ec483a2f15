import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type WebSocket, WebSocketServer } from 'ws';
import { CHAT_DIALECT } from './dialect.js';
import { LeanSocket } from './lean-socket.js';

const server = createServer();
const sockets = new WebSocketServer({ noServer: true });
let port: number;

beforeAll(async () => {
  server.on('upgrade', (request, socket, head) => {
    if (request.url?.endsWith('ticket=good') === true) {
      sockets.handleUpgrade(request, socket, head, (open) => sockets.emit('connection', open));
    } else socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => {
  server.close();
});

function dial(ticket: string): LeanSocket {
  return new LeanSocket(port, ticket, '127.0.0.1', CHAT_DIALECT);
}

async function connect(): Promise<{ client: LeanSocket; served: WebSocket }> {
  const connection = once(sockets, 'connection') as Promise<[WebSocket]>;
  const client = dial('good');
  const [served] = await connection;
  return { client, served };
}

describe('the lean client', () => {
  it('reads frames of every length, many in one piece and one in many pieces', async () => {
    const { client, served } = await connect();
    const texts = [0, 1, 125, 126, 65_535, 65_536, 300_000].map((length) => 'x'.repeat(length));
    const received: number[] = [];
    const last = new Promise<void>((resolve) => {
      client.onFrame = (text) => {
        received.push(text.length);
        if (received.length === texts.length) resolve();
      };
    });
    for (const text of texts) served.send(text);
    await last;
    expect(received).toEqual(texts.map(({ length }) => length));
    client.drop();
  });

  it('sends frames that a server can read', async () => {
    const { client, served } = await connect();
    const received = once(served, 'message') as Promise<[Buffer]>;
    client.send(client.frameOf('ping', { t: 'y'.repeat(1000) }));
    const [text] = await received;
    expect(JSON.parse(text.toString())).toEqual({ type: 'ping', id: 'ping', data: { t: 'y'.repeat(1000) } });
    client.drop();
  });

  it('answers a ping', async () => {
    const { client, served } = await connect();
    const answered = once(served, 'pong') as Promise<[Buffer]>;
    served.ping('alive?');
    expect((await answered)[0].toString()).toBe('alive?');
    client.drop();
  });

  it('tells how an upgrade was refused, and how a socket was closed', async () => {
    const endOf = (client: LeanSocket) => new Promise((resolve) => (client.onEnd = resolve));
    expect(await endOf(dial('bad'))).toBe('status 403');
    const { client, served } = await connect();
    const end = endOf(client);
    served.close(4410);
    expect(await end).toBe('close 4410');
    client.drop();
  });
});
