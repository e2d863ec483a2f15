import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** How much of a client's data is kept to match flows: a handshake and the first commands. */
const KEPT_BYTES = 8192;

/**
 * One connection through a proxy, with the proxy's connection to the target. While held, it forwards and reads nothing
 * in either direction, so that both ends fill their buffers and wait, as when packets are lost.
 */
export class TcpFlow {
  private readonly target: Socket;
  private opening = '';
  private isHeld = false;
  /** Data that was read before it was held, and not forwarded. */
  private readonly waiting: { bytes: Buffer; from: Socket; to: Socket }[] = [];

  /** @param onBytes called with each piece that the client sends, before it is forwarded. */
  constructor(
    private readonly client: Socket,
    targetPort: number,
    onBytes: (flow: TcpFlow) => void,
    onEnd: (flow: TcpFlow) => void,
  ) {
    this.target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, this.target]) {
      socket.setNoDelay(true);
      // An error is followed by "close", which is all that the other side can be told.
      socket.on('error', () => undefined);
    }
    client.on('data', (bytes: Buffer) => {
      if (this.opening.length < KEPT_BYTES) this.opening += bytes.toString('latin1').slice(0, KEPT_BYTES);
      onBytes(this);
      this.pass(bytes, client, this.target);
    });
    this.target.on('data', (bytes: Buffer) => this.pass(bytes, this.target, client));
    this.join(client, this.target);
    this.join(this.target, client);
    client.once('close', () => onEnd(this));
  }

  /** Whether the client's first bytes, as Latin-1, match. */
  hasSent(pattern: RegExp): boolean {
    return pattern.test(this.opening);
  }

  hold(): void {
    this.isHeld = true;
    this.client.pause();
    this.target.pause();
  }

  /** Forwards again, beginning with the data that was held. */
  release(): void {
    this.isHeld = false;
    for (const { bytes, from, to } of this.waiting.splice(0)) this.pass(bytes, from, to);
    this.client.resume();
    this.target.resume();
  }

  /** Resets both connections. */
  cut(): void {
    this.client.resetAndDestroy();
    this.target.resetAndDestroy();
  }

  private pass(bytes: Buffer, from: Socket, to: Socket): void {
    if (this.isHeld) this.waiting.push({ bytes, from, to });
    else if (!to.destroyed && !to.write(bytes)) from.pause();
  }

  private join(from: Socket, to: Socket): void {
    from.on('end', () => to.end());
    from.on('close', (hadError) => {
      if (hadError) to.resetAndDestroy();
      else to.destroySoon();
    });
    from.on('drain', () => {
      if (!this.isHeld) to.resume();
    });
  }
}
