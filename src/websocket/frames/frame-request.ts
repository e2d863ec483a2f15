import type { ClientFrameOf, ClientFrameType } from '../../../protocol/messages.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';

/** What a frame's handler gets. A handler cannot run without the user behind the socket. */
export interface FrameRequest<T extends ClientFrameType> {
  readonly socket: AuthenticatedSocket;
  readonly frame: ClientFrameOf<T>;
  /** `performance.now()` when the frame was read, before it waited for those that came before it. */
  readonly receivedMs: number;
}
