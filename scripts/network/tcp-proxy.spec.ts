import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/waiting.js';
import { subscriberFlow, TcpProxy } from './tcp-proxy.js';

const SUBSCRIBE = '*2\r\n$9\r\nsubscribe\r\n$1\r\na\r\n';

/** A client of the proxy that keeps what it is sent. */
class Client {
  received = '';
  isClosed = false;
  code: string | undefined;

  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const { socket } = this;
    socket.on('data', (bytes: Buffer) => (this.received += bytes.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.code = error.code));
    socket.on('close', () => (this.isClosed = true));
  }

  /** Sends a text and waits for its echo. */
  async hears(text: string): Promise<void> {
    this.socket.write(text);
    await eventually(() => this.received.endsWith(text), `the echo of ${text}`, 2000);
  }
}

describe('TcpProxy', () => {
  let echo: Server;
  let proxy: TcpProxy;
  let served: Socket[];
  const clients: Client[] = [];

  beforeEach(async () => {
    served = [];
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      served.push(socket);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await TcpProxy.start((echo.address() as AddressInfo).port);
  });

  afterEach(async () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    await proxy.stop();
    echo.close();
    await once(echo, 'close');
  });

  function dial(port = proxy.port): Client {
    const client = new Client(port);
    clients.push(client);
    return client;
  }

  it('forwards everything, including the end of one direction', async () => {
    const client = dial();
    const long = 'x'.repeat(1_000_000);
    client.socket.end(long);
    await eventually(() => client.isClosed, 'the end');
    expect(client.received).toBe(long);
    await eventually(() => proxy.count() === 0, 'the flow to be gone');
  });

  it('holds flows and delivers their bytes once it heals', async () => {
    const old = dial();
    await old.hears('before');
    proxy.hold();
    served[0]?.write(' pushed ');
    const young = dial();
    old.socket.write('held');
    young.socket.write('young');
    // A flow that is not held would have answered before this one.
    const direct = dial((echo.address() as AddressInfo).port);
    for (let round = 0; round < 10; round++) await direct.hears(`direct ${round}`);
    expect([old.received, young.received]).toEqual(['before', '']);
    expect([old.isClosed, young.isClosed]).toEqual([false, false]);
    proxy.heal();
    await eventually(
      () => old.received === 'before pushed held' && young.received === 'young',
      'what was held',
    );
  });

  it('can hold only subscribers, from their SUBSCRIBE on', async () => {
    const subscriber = dial();
    await subscriber.hears(SUBSCRIBE);
    const commands = dial();
    proxy.hold(subscriberFlow);
    const later = dial();
    await later.hears('HELLO');
    later.socket.write(SUBSCRIBE);
    subscriber.socket.write('more');
    await commands.hears('PING');
    expect([subscriber.received, later.received]).toEqual([SUBSCRIBE, 'HELLO']);
    proxy.heal();
    await eventually(() => later.received === `HELLO${SUBSCRIBE}`, 'the answer that was held');
  });

  it('drops flows permanently, and lets others through', async () => {
    const old = dial();
    await old.hears('before');
    expect(proxy.drop()).toBe(1);
    old.socket.write('lost');
    proxy.heal();
    await dial().hears('young');
    expect([old.received, old.isClosed]).toEqual(['before', false]);
  });

  it('resets flows, and refuses new ones until it heals', async () => {
    const old = dial();
    await old.hears('before');
    proxy.refuse();
    expect(proxy.cut()).toBe(1);
    await eventually(() => old.isClosed, 'the cut');
    const refused = dial();
    await eventually(() => refused.isClosed, 'the refusal');
    expect([old.code, refused.code]).toEqual(['ECONNRESET', 'ECONNRESET']);
    proxy.heal();
    await dial().hears('again');
  });

  it('resets a client when the target does not listen', async () => {
    echo.close();
    const client = dial();
    await eventually(() => client.isClosed, 'the reset');
    expect(client.code).toBe('ECONNRESET');
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
  });
});
