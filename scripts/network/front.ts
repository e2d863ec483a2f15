import { once } from 'node:events';
import { Agent, createServer, ServerResponse } from 'node:http';
import type { IncomingMessage, Server, ServerOptions } from 'node:http';
import { connect, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ProxyServer } from 'http-proxy-3';
import { DeclinedUpgrades, offersWebSocket } from '../../src/websocket/upgrade/declined-upgrades.js';
import { LaunchError } from '../launch-error.js';
import type { NodePool } from './node-pool.js';

type Dialled = (error: Error | null, socket: Duplex) => void;

/**
 * One port in front of several nodes. http-proxy-3 does the proxying; we only choose the node of a connection: the next
 * in turn, or the one after it when that does not listen. A request is sent only once it has a connection, so trying
 * another node repeats nothing.
 */
class RoundRobinAgent extends Agent {
  private turn = 0;

  constructor(private readonly pool: NodePool) {
    super({ keepAlive: false });
  }

  override createConnection(_options: unknown, done: Dialled = () => undefined): undefined {
    this.dial(this.pool.inTurn(this.turn++), done);
  }

  private dial([port, ...others]: number[], done: Dialled): void {
    if (port === undefined) {
      done(new Error('no node listens'), new Socket());
      return;
    }
    const socket = connect(port, '127.0.0.1');
    const refused = (): void => this.dial(others, done);
    socket.once('error', refused);
    socket.once('connect', () => {
      socket.off('error', refused);
      done(null, socket);
    });
  }
}

export class Front {
  private readonly server: Server;
  private readonly requests: { agent: Agent };
  private readonly sockets: { agent: Agent };
  private readonly proxy: ProxyServer;

  constructor(pool: NodePool) {
    // The target's address is not used: the agent chooses.
    const target = { host: '127.0.0.1', port: 0, protocol: 'http:' };
    this.proxy = new ProxyServer({ target, xfwd: true });
    // A client mints, then dials: with one common turn and two nodes, one node would get every socket.
    this.requests = { agent: new RoundRobinAgent(pool) };
    this.sockets = { agent: new RoundRobinAgent(pool) };
    // Each request has its own connection to the node; that must not close the browser's.
    this.proxy.on('proxyRes', (answer) => delete answer.headers.connection);
    // A browser that is closed resets its sockets. The library reports that here too, and throws without a listener.
    this.proxy.on('error', (_error, _request, peer) => peer.destroy());
    this.server = createServer(
      { shouldUpgradeCallback: isWebSocket } as ServerOptions,
      (request, response) => {
        // An offer is for the next server only.
        delete request.headers.upgrade;
        this.proxy.web(request, response, this.requests, () => refuse(response));
      },
    );
    // Node would answer these two itself, the second with a closed connection.
    this.server.on('checkExpectation', (request, response) => this.server.emit('request', request, response));
    this.server.on('connect', (_request, socket) => socket.end(NO_TUNNEL));
    const declined = new DeclinedUpgrades(this.server);
    this.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      if (isWebSocket(request)) this.upgrade(request, socket, head);
      else declined.handBack(request, socket, head);
    });
  }

  /** Returns the port, which the system chooses for 0. */
  async listen(host: string, port: number): Promise<number> {
    this.server.listen(port, host);
    try {
      await once(this.server, 'listening');
    } catch (error) {
      throw new LaunchError(whyNot(error as NodeJS.ErrnoException, host, port));
    }
    return (this.server.address() as AddressInfo).port;
  }

  /** Takes no more connections; open ones continue. */
  stopListening(): void {
    this.server.close();
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    // The library closes an upgrade that is a list.
    request.headers.upgrade = 'websocket';
    this.proxy.ws(request, socket, head, this.sockets, () => refuseUpgrade(socket));
  }
}

/** The library closes any other upgrade: such a request is proxied as if it offered none, and the node answers it. */
function isWebSocket(request: IncomingMessage): boolean {
  return request.method === 'GET' && offersWebSocket(request);
}

const NO_TUNNEL = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';

const REFUSAL = JSON.stringify({
  type: 'about:blank',
  title: 'A dependency is unavailable',
  status: 503,
  detail: 'no node of the demo is running',
  code: 'dependency_unavailable',
  retry: 'after',
  retry_after_ms: 1000,
});
const REFUSAL_HEADERS = {
  'Content-Type': 'application/problem+json',
  'Content-Length': String(Buffer.byteLength(REFUSAL)),
  'Retry-After': '1',
  Connection: 'close',
};

function refuse(response: ServerResponse | Socket): void {
  if (!(response instanceof ServerResponse)) return;
  // The node died in the middle of its answer: only a closed connection can still show that.
  if (response.headersSent) response.destroy();
  else response.writeHead(503, REFUSAL_HEADERS).end(REFUSAL);
}

/** After the node's answer the connection is a WebSocket: an HTTP response from us would be a broken frame in it. */
function refuseUpgrade(socket: Socket): void {
  if (socket.bytesWritten > 0 || !socket.writable) socket.destroy();
  else socket.end(refusalText());
}

function refusalText(): string {
  const fields = Object.entries(REFUSAL_HEADERS).map(([name, value]) => `${name}: ${value}`);
  return ['HTTP/1.1 503 Service Unavailable', ...fields, '', REFUSAL].join('\r\n');
}

function whyNot(error: NodeJS.ErrnoException, host: string, port: number): string {
  const instead = `choose another one: PORT=${port === 0 ? 8000 : port + 1} npm run demo`;
  if (error.code === 'EADDRINUSE') return `Port ${port} is in use: end what listens there, or ${instead}`;
  if (error.code === 'EACCES') return `Port ${port} is for root alone: ${instead}`;
  return `Cannot listen on ${host}:${port} (${error.message}): correct HOST and PORT.`;
}
