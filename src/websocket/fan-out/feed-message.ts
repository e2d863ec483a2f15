import { encodeUtf8Frame } from '../socket/frame-encoding.js';
import { fits, fittingReplies } from '../socket/frame-fitting.js';
import { frameJson } from '../socket/frame-json.js';
import type { FrameReply } from '../socket/frame-reply.js';
import { type Attempt, SharedFrame } from '../socket/shared-frame.js';

const NEWLINE = 0x0a;
/**
 * Message format in Redis: the `seq` of a durable event, or the run and attempt of a piece of text, or nothing; then a
 * newline and the frame's JSON.
 */
export function toFeedMessage(seq: number | undefined, json: string, writtenBy?: Attempt): string {
  const head = writtenBy === undefined ? (seq ?? '') : `${writtenBy.runId}/${writtenBy.attempt}`;
  return `${head}\n${json}`;
}

/** Returns the frames of a message: one, or several if its text does not fit into one. */
export function parseFeedMessage(message: Buffer): SharedFrame[] {
  const end = message.indexOf(NEWLINE);
  const json = message.subarray(end + 1);
  const { seq, writtenBy } = parseHead(message.toString('latin1', 0, Math.max(0, end)));
  return payloadsOf(json).map((payload) => new SharedFrame(seq, encodeUtf8Frame(payload), writtenBy));
}

/** Splits the frame if it exceeds the size limit, whatever another node has sent. */
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
