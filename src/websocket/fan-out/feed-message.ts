import { encodeUtf8Frame } from '../socket/frame-encoding.js';
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

export function parseFeedMessage(message: Buffer): SharedFrame {
  const end = message.indexOf(NEWLINE);
  const bytes = encodeUtf8Frame(message.subarray(end + 1));
  if (end <= 0) return new SharedFrame(undefined, bytes);
  const head = message.toString('latin1', 0, end);
  const slash = head.indexOf('/');
  if (slash === -1) return new SharedFrame(Number(head), bytes);
  const writtenBy = { runId: head.slice(0, slash), attempt: Number(head.slice(slash + 1)) };
  return new SharedFrame(undefined, bytes, writtenBy);
}
