import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TimeLimit } from './resilience/time-limit.js';

/** Time to read from a connection what had arrived on it. */
const READ_MS = 250;

/**
 * Judges requests that have taken too long to arrive. Node looks at their time before it reads from their connections: once
 * this process has stood still, it finds requests too late that wait in its own buffers.
 */
export class LateRequests {
  private readonly latest = new WeakMap<Socket, IncomingMessage>();
  private readonly upgraded = new WeakSet<Socket>();

  /** To be called with each request whose headers have arrived. */
  note(request: IncomingMessage): void {
    this.latest.set(request.socket, request);
  }

  /** To be called with each connection that has asked for an upgrade: from then on it has no requests. */
  noteUpgrade(socket: Socket): void {
    this.upgraded.add(socket);
  }

  /** Calls `refuse` unless the request that this connection is late with turns out to have arrived. */
  judge(socket: Socket, refuse: () => void): void {
    const known = this.latest.get(socket);
    const wasComplete = known?.complete === true;
    void new TimeLimit(READ_MS, () => {
      const latest = this.latest.get(socket);
      const hasArrived = latest?.complete === true && !(wasComplete && latest === known);
      if (!hasArrived && !this.upgraded.has(socket)) refuse();
    });
  }
}
