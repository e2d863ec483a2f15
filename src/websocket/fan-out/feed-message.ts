import { encodeUtf8Frame } from '../socket/frame-encoding.js';
import { fits, fittingReplies } from '../socket/frame-fitting.js';
import { frameJson } from '../socket/frame-json.js';
import type { FrameReply } from '../socket/frame-reply.js';
import { type Attempt, SharedFrame } from '../socket/shared-frame.js';

const NEWLINE = 0x0a;
/**
 * What goes through Redis: the `seq` of a durable event, or run and attempt of a piece of text, or nothing; a newline;
 * the frame's JSON.
 */
export function toFeedMessage(seq: number | undefined, json: string, writtenBy?: Attempt): string {
  const head = writtenBy === undefined ? (seq ?? '') : `${writtenBy.runId}/${writtenBy.attempt}`;
  return `${head}\n${json}`;
}

/** The frames that a message brings to sockets: one, unless its text has to go in several. */
export function parseFeedMessage(message: Buffer): SharedFrame[] {
  const end = message.indexOf(NEWLINE);
  const json = message.subarray(end + 1);
  const { seq, writtenBy } = parseHead(message.toString('latin1', 0, Math.max(0, end)));
  return payloadsOf(json).map((payload) => new SharedFrame(seq, encodeUtf8Frame(payload), writtenBy));
}

/** Whatever another node has sent, no socket gets more than fits into a frame. */
function payloadsOf(json: Buffer): Buffer[] {
  if (fits(json)) return [json];
  const reply = JSON.parse(json.toString()) as FrameReply;
  return fittingReplies(reply).map((part) => Buffer.from(frameJson(part)));
}

function parseHead(head: string): Pick<SharedFrame, 'seq' | 'writtenBy'> {
  if (head === '') return { seq: undefined };
  const slash = head.indexOf('/');
  if (slash === -1) return { seq: Number(head) };
  return {
    seq: undefined,
    writtenBy: { runId: head.slice(0, slash), attempt: Number(head.slice(slash + 1)) },
  };
}
