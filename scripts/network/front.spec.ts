import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import WebSocket, { WebSocketServer } from 'ws';
import { rawUpgrade } from '../../test/support/raw-upgrade.js';
import { Front } from './front.js';
import type { NodePool } from './node-pool.js';

/** A fake node: responds with its name, refuses the upgrade on one path with a full response, opens the others. */
async function backend(name: string): Promise<Server> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => response.end(`${name} ${body} ${String(request.headers['x-forwarded-for'])}`));
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') {
      const body = '{"code":"ticket_rejected"}';
      socket.end(`HTTP/1.1 403 Forbidden\r\nRetry-After: 7\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    } else {
      sockets.handleUpgrade(request, socket, head, (ws) => {
        ws.once('close', () => server.emit('dropped'));
        ws.send(name);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('Front', () => {
  let backends: Server[];
  let front: Front;
  let port: number;

  beforeEach(async () => {
    backends = [await backend('a'), await backend('b')];
    const ports = backends.map(portOf);
    const pool: Pick<NodePool, 'inTurn'> = {
      inTurn: (turn) => (turn % 2 === 0 ? ports : ports.toReversed()),
    };
    front = new Front(pool as NodePool);
    port = await front.listen('127.0.0.1', 0);
  });

  afterEach(() => {
    front.stopListening();
    for (const server of backends) server.close().closeAllConnections();
  });

  const ask = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'hello' });
    return `${response.status} ${await response.text()}`;
  };

  it('sends requests to the nodes in turn, with the address of the client', async () => {
    const answers = [await ask(), await ask(), await ask()];
    expect(answers).toEqual(['a', 'b', 'a'].map((name) => `200 ${name} hello 127.0.0.1`));
  });

  it('passes an upgrade through, and a refused one with status, headers and body', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(message.toString()).toBe('a');
    socket.terminate();

    const refused = await rawUpgrade({ port }, { path: '/refused' });
    expect([refused.status, refused.headers['retry-after']]).toEqual([403, '7']);
    expect(refused.body).toBe('{"code":"ticket_rejected"}');
  });

  it('survives a browser that resets its sockets', async () => {
    const socket = connect(port, '127.0.0.1');
    const key = Buffer.alloc(16).toString('base64');
    socket.write(
      `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    await once(socket, 'data');
    const closed = backends.map((server) => once(server, 'dropped'));
    socket.resetAndDestroy();
    await Promise.race(closed);
    expect(await ask()).toMatch(/^200 [ab] hello/);
  });

  it('skips a node that does not listen, for requests with a body and for upgrades', async () => {
    backends[0]?.close().closeAllConnections();
    expect([await ask(), await ask()]).toEqual(['200 b hello 127.0.0.1', '200 b hello 127.0.0.1']);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    expect(String(((await once(socket, 'message')) as [Buffer])[0])).toBe('b');
    socket.terminate();
  });

  it('answers 503 to requests and upgrades when no node listens', async () => {
    for (const server of backends) server.close().closeAllConnections();
    expect(await ask()).toMatch(/^503 .*"code":"dependency_unavailable"/);
    const refused = await rawUpgrade({ port });
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(refused.problem().code).toBe('dependency_unavailable');
  });

  it('proxies a request that offers another protocol as if it offered none', async () => {
    const offer = { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAA' };
    const answer = await rawUpgrade(
      { port },
      { method: 'POST', handshake: { ...offer, 'Content-Length': '0' } },
    );
    expect([answer.status, answer.body]).toEqual([200, 'a  127.0.0.1']);
  });

  it('reports in one line that its port is in use', async () => {
    await expect(new Front({} as NodePool).listen('127.0.0.1', port)).rejects.toThrow(
      `Port ${port} is in use: end what`,
    );
  });
});
