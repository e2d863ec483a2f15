import type { ServerFrameData, ServerFrameType } from '../../../protocol/messages.js';

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
