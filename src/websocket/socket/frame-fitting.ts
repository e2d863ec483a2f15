import { LIMITS } from '../../../protocol/messages.js';
import { encodeTextFrame } from './frame-encoding.js';
import { frameJson } from './frame-json.js';
import type { FrameReply } from './frame-reply.js';
import { beginningOf, endOfPiece } from './text-pieces.js';

/** Kept of a frame for `ts`, `re`, and the digits of an offset. */
const ENVELOPE_BYTES = 512;
/** What a string of a truncated event may have at most, the content of a message aside. */
const MAX_STRING_BYTES = 2048;

type Reply<T extends FrameReply['type']> = Extract<FrameReply, { type: T }>;

/** A frame as it goes to a socket. */
export interface EncodedFrame {
  type: string;
  bytes: Buffer;
}

/** The only way from a frame to its bytes for one socket: none has more than 64 KiB of text. */
export function encodeReply(reply: FrameReply, re?: string): EncodedFrame[] {
  const json = frameJson(reply, re);
  if (fits(json)) return [{ type: reply.type, bytes: encodeTextFrame(json) }];
  return fitted(reply).map((part) => ({ type: part.type, bytes: encodeTextFrame(frameJson(part, re)) }));
}

/**
 * A frame as those that say the same within 64 KiB each: a text goes as its beginning and deltas for the rest. Of anything
 * else only the beginning is sent, marked `truncated`: it can be read whole over HTTP.
 */
export function fittingReplies(reply: FrameReply): FrameReply[] {
  return fits(frameJson(reply)) ? [reply] : fitted(reply);
}

export function fits(json: string | Buffer): boolean {
  if (json.length > LIMITS.maxFrameBytes) return false;
  return (
    typeof json !== 'string' ||
    json.length * 3 <= LIMITS.maxFrameBytes ||
    sizeOf(json) <= LIMITS.maxFrameBytes
  );
}

function fitted(reply: FrameReply): FrameReply[] {
  if (reply.type === 'message.delta') return deltasFrom(reply, reply.data.text, 0, reply.data.offset);
  if (reply.type === 'message.snapshot') return splitSnapshot(reply);
  if (reply.type === 'message.created') return [truncateMessage(reply)];
  if (reply.type === 'tool.call') {
    return [{ ...reply, data: { ...withShortStrings(reply.data), arguments: {}, truncated: true } }];
  }
  if (reply.type === 'tool.result') {
    const { output: _, ...rest } = reply.data;
    return [{ ...reply, data: { ...withShortStrings(rest), truncated: true } }];
  }
  const data = withShortStrings(reply.data);
  const short = reply.seq === undefined ? data : { ...data, truncated: true };
  // The same members with shorter strings.
  return [{ ...reply, data: short } as FrameReply];
}

function splitSnapshot(reply: Reply<'message.snapshot'>): FrameReply[] {
  const { run_id, message_id, text } = reply.data;
  const beginning = beginningOf(text, roomIn({ ...reply, data: { ...reply.data, text: '' } }));
  const first: FrameReply = { ...reply, data: { ...reply.data, text: beginning } };
  const data = { run_id, message_id, offset: 0, text: '' };
  return [first, ...deltasFrom({ ...reply, type: 'message.delta', data }, text, beginning.length, 0)];
}

/** Deltas for `text` from `start` on. The text itself begins at `base` of its message. */
function deltasFrom(reply: Reply<'message.delta'>, text: string, start: number, base: number): FrameReply[] {
  const room = roomIn({ ...reply, data: { ...reply.data, text: '' } });
  const deltas: FrameReply[] = [];
  for (let at = start; at < text.length;) {
    const end = endOfPiece(text, at, room);
    deltas.push({ ...reply, data: { ...reply.data, offset: base + at, text: text.slice(at, end) } });
    at = end;
  }
  return deltas;
}

function truncateMessage(reply: Reply<'message.created'>): FrameReply {
  const { content, ...rest } = reply.data.message;
  const short = { ...withShortStrings(rest), truncated: true as const };
  const empty: FrameReply = { ...reply, data: { message: { ...short, content: '' } } };
  return { ...reply, data: { message: { ...short, content: beginningOf(content, roomIn(empty)) } } };
}

/** Bytes that are left in a frame for its text. */
function roomIn(empty: FrameReply): number {
  return LIMITS.maxFrameBytes - ENVELOPE_BYTES - sizeOf(frameJson(empty));
}

function withShortStrings<T>(value: T): T {
  if (typeof value === 'string') return beginningOf(value, MAX_STRING_BYTES) as T;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([name, member]) => [name, withShortStrings(member as unknown)]);
  return Object.fromEntries(entries) as T;
}

function sizeOf(json: string): number {
  return Buffer.byteLength(json);
}
