import type {
  ClientFrameOf,
  ClientFrameType,
  ServerFrameData,
  ServerFrameType,
} from '../../protocol/messages.js';
import type { AuthenticatedSocket } from './authenticated-socket.js';

/** What a frame's handler gets. A handler cannot run without the user behind the socket. */
export interface FrameRequest<T extends ClientFrameType> {
  readonly socket: AuthenticatedSocket;
  readonly frame: ClientFrameOf<T>;
}

/** What a handler answers, or a broadcast says. */
export type FrameReply = {
  [T in ServerFrameType]: {
    type: T;
    data: ServerFrameData[T];
    conversation_id?: string;
    seq?: number;
    ts?: string;
  };
}[ServerFrameType];
