import { setTimeout as sleep } from 'node:timers/promises';
import { fittingReplies } from '../../websocket/socket/frame-fitting.js';
import type { FrameReply } from '../../websocket/socket/frame-reply.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';

/** Far below what counts as not reading, so that live frames have room beside what is replayed. */
const HIGH_BYTES = 256 * 1024;
const POLL_MS = 10;
const TIME_LIMIT_MS = 10_000;

/** Waits until a socket has taken most of what it was sent. One that takes nothing for 10 s is ended. */
export async function roomToSend(socket: AuthenticatedSocket): Promise<void> {
  const deadline = performance.now() + TIME_LIMIT_MS;
  while (socket.readyState === socket.OPEN && socket.unsentBytes > HIGH_BYTES) {
    if (performance.now() > deadline) socket.endWith('slow_consumer');
    await sleep(POLL_MS);
  }
}

/** Sends a frame that may be long, no faster than the socket takes its parts. */
export async function sendPaced(socket: AuthenticatedSocket, reply: FrameReply): Promise<void> {
  for (const part of fittingReplies(reply)) {
    await roomToSend(socket);
    socket.sendFrame(part);
  }
}
