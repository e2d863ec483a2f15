import { setTimeout as sleep } from 'node:timers/promises';
import { AwakeClock } from '../../resilience/awake-clock.js';
import { fittingReplies } from '../../websocket/socket/frame-fitting.js';
import type { FrameReply } from '../../websocket/socket/frame-reply.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';

/** Far below the limit for slow consumers, so that live frames have room beside the replay. */
const HIGH_BYTES = 256 * 1024;
const POLL_MS = 10;
const TIME_LIMIT_MS = 10_000;

/** Waits until most of a socket's send buffer has drained. A socket that takes longer than 10 s is closed. */
export async function roomToSend(socket: AuthenticatedSocket): Promise<void> {
  const clock = new AwakeClock();
  const deadline = clock.read() + TIME_LIMIT_MS;
  while (socket.readyState === socket.OPEN && socket.unsentBytes > HIGH_BYTES) {
    if (clock.read() > deadline) socket.endWith('slow_consumer');
    await sleep(POLL_MS);
  }
}

/** Sends a frame that may be long in parts, no faster than the socket accepts them. */
export async function sendPaced(socket: AuthenticatedSocket, reply: FrameReply): Promise<void> {
  for (const part of fittingReplies(reply)) {
    await roomToSend(socket);
    socket.sendFrame(part);
  }
}
