import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LateRequests } from './late-requests.js';

/** Time in which a request must have arrived. Node looks every 50 ms. */
const LIMIT_MS = 400;

function holdLoop(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('a request that is late', () => {
  let server: Server;
  let client: Socket;
  let accepted: Socket;
  let received: string;

  beforeEach(async () => {
    const late = new LateRequests();
    const limits = { headersTimeout: LIMIT_MS, requestTimeout: LIMIT_MS, connectionsCheckingInterval: 50 };
    server = createServer(limits, (request, response) => {
      late.note(request);
      let length = 0;
      request.on('data', (chunk: Buffer) => (length += chunk.length));
      request.on('end', () => response.end(`${length} bytes`));
    });
    server.on('upgrade', (_request, socket: Socket) => {
      late.noteUpgrade(socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    });
    server.on('clientError', (_error, socket: Socket) =>
      late.judge(socket, () => socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n')),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connection = once(server, 'connection');
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    received = '';
    client.setEncoding('utf8').on('data', (text: string) => (received += text));
    [accepted] = (await connection) as [Socket];
  });

  afterEach(() => {
    client.destroy();
    server.close();
  });

  /** Sends a part, and the rest right before this process stands still. */
  async function send(first: string, rest: string): Promise<void> {
    client.write(first);
    while (accepted.bytesRead < first.length) await nextTurn();
    client.write(rest);
    holdLoop(2 * LIMIT_MS);
    await once(client, 'data');
  }

  /** Resolves when a request that is late by now has been judged. */
  const untilJudged = () => new Promise<void>((resolve) => new LateRequests().judge(accepted, resolve));

  const head = (length: number) => `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;

  it.each<[string, string, string, string]>([
    ['the rest of its headers', 'GET / HTTP/1.1\r\nHo', 'st: localhost\r\n\r\n', '0 bytes'],
    ['a part of its body', `${head(10)}12345`, '67890', '10 bytes'],
    ['a body of more than one read', head(150_000), 'x'.repeat(150_000), '150000 bytes'],
  ])('is answered when %s had arrived while the process stood still', async (_what, first, rest, answer) => {
    await send(first, rest);
    expect(received).toContain(answer);
  });

  it('does not disturb the connection when it was an upgrade', async () => {
    await send('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpg', 'rade: websocket\r\n\r\n');
    await untilJudged();
    expect(received).toMatch(/^HTTP\/1.1 101 .*\r\n\r\n$/);
    expect(accepted.writableEnded).toBe(false);
  });

  it('is refused when it did not arrive', async () => {
    client.write(`${head(10)}12345`);
    await once(client, 'data');
    expect(received).toMatch(/^HTTP\/1.1 408 /);
  });

  it('is refused when it did not arrive behind another one that did', async () => {
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(client, 'data');
    expect(received).toContain('0 bytes');
    received = '';
    client.write('GET / HTTP/1.1\r\nHo');
    await once(client, 'data');
    expect(received).toMatch(/^HTTP\/1.1 408 /);
  });
});
