import type { ServerFrameData, ServerFrameType } from '../../../protocol/messages.js';

/** What a handler answers, or a broadcast says. */
export type FrameReply = {
  [T in ServerFrameType]: {
    type: T;
    data: ServerFrameData[T];
    conversation_id?: string;
    seq?: number;
    ts?: string;
    /** Beside the data of an `error`, for clients that show one line. */
    error?: string;
  };
}[ServerFrameType];
