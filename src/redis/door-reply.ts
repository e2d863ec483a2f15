import { connect } from 'node:net';
import { Cluster } from 'ioredis';
import type { RedisClient } from './redis-client.js';

const LISTEN_MS = 500;
/** Of an error reply; the one about protected mode has about a thousand. */
const MAX_CHARACTERS = 2000;
/** What the first command meets when the server has hung up already. */
const HUNG_UP = new Set(['EPIPE', 'ECONNRESET']);

/**
 * What a Redis says to a client that it turns away at once, because it has too many or is in protected mode; `undefined`
 * when it says nothing. The client sends its first command before it reads, finds the connection closed, and loses the
 * reply: this connects once more and only listens.
 */
export async function doorReply(client: RedisClient, error: Error): Promise<string | undefined> {
  if (!HUNG_UP.has((error as NodeJS.ErrnoException).code ?? '') || client instanceof Cluster)
    return undefined;
  const { host, port, tls, sentinels } = client.options;
  if (host === undefined || port === undefined || tls !== undefined || sentinels !== null) return undefined;
  const heard = await listenAt(host, port);
  return /^-(.*?)\r\n/.exec(heard)?.[1];
}

/** Everything that comes until the server hangs up or the time is over. */
async function listenAt(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  socket.setEncoding('latin1');
  socket.setTimeout(LISTEN_MS, () => socket.destroy());
  let heard = '';
  socket.on('data', (text: string) => {
    heard += text;
    if (heard.length > MAX_CHARACTERS) socket.destroy();
  });
  await new Promise<void>((resolve) => {
    socket.once('error', () => resolve());
    socket.once('close', () => resolve());
  });
  return heard;
}
