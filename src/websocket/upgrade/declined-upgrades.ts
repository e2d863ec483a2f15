import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Members of `Connection` that belong to an upgrade, and that mean nothing without it. */
const UPGRADE_OPTIONS = new Set(['upgrade', 'http2-settings']);
const UPGRADE_HEADERS = new Set(['upgrade', 'http2-settings']);

/**
 * True for a request that offers the protocol that we can switch to. `Upgrade` is a list (RFC 9110 section 7.8), and
 * HTTP/1.0 cannot switch. Node before 22.21 and 24.9 does not ask (`shouldUpgradeCallback`): see `DeclinedUpgrades`.
 */
export function offersWebSocket({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion !== '1.0' && listOf(headers.upgrade).includes('websocket');
}

/**
 * Answers a request that offers another protocol, such as `h2c`, as if it offered none (RFC 9110 section 7.8).
 *
 * Older Node hands every request with `Upgrade` to the listener of `upgrade` and detaches its parser: nobody reads the
 * body or the next request. Here such a request begins again: its head without the offer, and all bytes behind it, are
 * put back into the socket, which is given to the server as a new connection. Node reads it there as any other, so body,
 * `Expect`, keep-alive, time limits and errors are Node's own. Both steps are documented (`readable.unshift`, and event
 * `connection`: "can also be explicitly emitted by users to inject connections into the HTTP server").
 */
export class DeclinedUpgrades {
  /** Requests of a socket that have no complete answer yet, and what waits for them. */
  private readonly unanswered = new WeakMap<Duplex, { count: number; then?: () => void }>();

  constructor(private readonly server: Server) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.awaitAnswer(request.socket, response);
    });
  }

  handBack(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const start = () => {
      socket.off('error', onLateError);
      if (socket.destroyed) return;
      socket.unshift(Buffer.concat([headWithoutOffer(request), head]));
      this.server.emit('connection', socket);
    };
    const waiting = this.unanswered.get(socket);
    // Answers leave in the order of the requests, and the new connection does not know the earlier ones.
    if (waiting === undefined) {
      start();
      return;
    }
    socket.on('error', onLateError);
    waiting.then = start;
  }

  private awaitAnswer(socket: Duplex, response: ServerResponse): void {
    const waiting = this.unanswered.get(socket) ?? { count: 0 };
    waiting.count += 1;
    this.unanswered.set(socket, waiting);
    response.once('close', () => {
      waiting.count -= 1;
      if (waiting.count > 0) return;
      this.unanswered.delete(socket);
      waiting.then?.();
    });
  }
}

/** Node reads heads as Latin-1, so these are the bytes that came. */
function headWithoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = valueWithoutOffer(name.toLowerCase(), rawHeaders[index + 1] ?? '');
    if (value !== '') head += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

/** Empty for a header that is left out. */
function valueWithoutOffer(name: string, value: string): string {
  if (UPGRADE_HEADERS.has(name)) return '';
  if (name !== 'connection') return value;
  return listOf(value)
    .filter((option) => !UPGRADE_OPTIONS.has(option))
    .join(', ');
}

function listOf(header: string | undefined): string[] {
  return (header ?? '')
    .toLowerCase()
    .split(',')
    .map((member) => member.trim());
}

/** The server listens for errors itself once the socket is its own again. */
function onLateError(): void {
  return;
}
