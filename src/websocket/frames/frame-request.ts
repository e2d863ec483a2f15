import type { ClientFrameOf, ClientFrameType } from '../../../protocol/messages.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';

/** The argument of a frame handler. Its socket always has a user. */
export interface FrameRequest<T extends ClientFrameType> {
  readonly socket: AuthenticatedSocket;
  readonly frame: ClientFrameOf<T>;
  /** `performance.now()` when the frame was read, before it waited in the queue. */
  readonly receivedMs: number;
}
