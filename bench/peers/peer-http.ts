import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { issueTicket } from './peer-ticket.js';

const KEEP_ALIVE_MS = 60_000;

/** An HTTP server with one route: `POST /websocket/ticket`. */
export function ticketServer(): Server {
  const server = createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/websocket/ticket') {
      response.writeHead(404, { 'content-length': 0 }).end();
      return;
    }
    issueTicket(request.headers.authorization).then(
      (body) => {
        if (body === undefined) response.writeHead(401, { 'content-length': 0 }).end();
        else {
          const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
          response.writeHead(201, { ...headers, 'content-length': body.length }).end(body);
        }
      },
      () => response.writeHead(503, { 'content-length': 0 }).end(),
    );
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

/** Listens on a free port and says so in the same words as the product, so that both are started in the same way. */
export function listen(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ event: 'server.listening', port })}\n`);
  });
  process.on('SIGTERM', () => process.exit(0));
}
