import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A server on 127.0.0.1 that passes everything on, and changes what is said on the way. */
export interface RewritingProxy {
  readonly port: number;
  stop(): void;
}

/** @param rewrite gets pieces as Latin-1, and must keep their length where a protocol counts bytes */
export async function startRewritingProxy(
  targetPort: number,
  rewrite: (piece: string) => string,
): Promise<RewritingProxy> {
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('data', (bytes) => to.write(rewrite(bytes.toString('latin1')), 'latin1'));
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  };
  const proxy = createServer((client) => {
    const server = connect(targetPort, '127.0.0.1');
    pass(client, server);
    pass(server, client);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as AddressInfo).port,
    stop: () => {
      proxy.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
