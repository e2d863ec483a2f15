import type { ServerFrameData, ServerFrameType } from '../../../protocol/messages.js';

/** A frame that a handler returns or a broadcast sends. */
export type FrameReply = {
  [T in ServerFrameType]: {
    type: T;
    data: ServerFrameData[T];
    conversation_id?: string;
    seq?: number;
    ts?: string;
    /** Sent next to the data of an `error`, for clients that show one line. */
    error?: string;
  };
}[ServerFrameType];
