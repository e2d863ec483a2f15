import type { AbstractConnector } from 'ioredis';
import connectors from 'ioredis/built/connectors/index.js';

type Connect = AbstractConnector['connect'];

/**
 * ioredis listens for the first error of a stream only. TLS may report two: a certificate that is not trusted, and the
 * server's alert when the connection is closed. The second one would end the process.
 */
export class ServerConnector extends connectors.StandaloneConnector {
  /** @param options of the client; ioredis' own type here has no more detail. */
  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof connectors.StandaloneConnector>[0]);
  }

  override async connect(...parameters: Parameters<Connect>): ReturnType<Connect> {
    const stream = await super.connect(...parameters);
    stream.on('error', ignore);
    return stream;
  }
}

/** The client reports the first error. */
function ignore(): void {
  return;
}
