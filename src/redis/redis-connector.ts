import type { AbstractConnector } from 'ioredis';
import connectors from 'ioredis/built/connectors/index.js';

type Connect = AbstractConnector['connect'];

/**
 * ioredis listens for the first error of a stream and for no other. TLS may report two, a certificate that is not trusted
 * and what the server says to being hung up on: the second one would end the process.
 */
export class ServerConnector extends connectors.StandaloneConnector {
  /** @param options of the client: ioredis' own type for this place knows no more of them. */
  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof connectors.StandaloneConnector>[0]);
  }

  override async connect(...parameters: Parameters<Connect>): ReturnType<Connect> {
    const stream = await super.connect(...parameters);
    stream.on('error', ignore);
    return stream;
  }
}

/** The client tells of the first one. */
function ignore(): void {
  return;
}
