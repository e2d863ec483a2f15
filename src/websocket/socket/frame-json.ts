import { timestamp } from './clock.js';
import type { FrameReply } from './frame-reply.js';

/**
 * Returns the JSON of a frame, with its members in the order of all frames.
 * @param re `id` of the client's frame that it answers
 */
export function frameJson(reply: FrameReply, re?: string): string {
  const frame: Record<string, unknown> = { type: reply.type };
  if (re !== undefined) frame.re = re;
  if (reply.conversation_id !== undefined) frame.conversation_id = reply.conversation_id;
  if (reply.seq !== undefined) frame.seq = reply.seq;
  frame.ts = reply.ts ?? timestamp();
  frame.data = reply.data;
  if (reply.error !== undefined) frame.error = reply.error;
  return JSON.stringify(frame);
}
