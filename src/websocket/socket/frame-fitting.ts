import { LIMITS } from '../../../protocol/messages.js';
import { encodeTextFrame } from './frame-encoding.js';
import { frameJson } from './frame-json.js';
import type { FrameReply } from './frame-reply.js';
import { beginningOf, endOfPiece } from './text-pieces.js';

/** Reserved in a frame for `ts`, `re`, and the digits of an offset. */
const ENVELOPE_BYTES = 512;
/** Maximum size of a string in a truncated event, except for the content of a message. */
const MAX_STRING_BYTES = 2048;

type Reply<T extends FrameReply['type']> = Extract<FrameReply, { type: T }>;

/** A frame encoded for a socket. */
export interface EncodedFrame {
  type: string;
  bytes: Buffer;
}

/** Encodes a frame for one socket. All such frames pass here, so none has more than 64 KiB of text. */
export function encodeReply(reply: FrameReply, re?: string): EncodedFrame[] {
  const json = frameJson(reply, re);
  if (fits(json)) return [{ type: reply.type, bytes: encodeTextFrame(json) }];
  return fitted(reply).map((part) => ({ type: part.type, bytes: encodeTextFrame(frameJson(part, re)) }));
}

/**
 * Splits a frame into frames of at most 64 KiB: a text becomes its beginning and deltas for the rest. Anything else is
 * shortened and marked `truncated`; the whole can be read over HTTP.
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
  // It has the same members, with shorter strings.
  return [{ ...reply, data: short } as FrameReply];
}

function splitSnapshot(reply: Reply<'message.snapshot'>): FrameReply[] {
  const { run_id, message_id, text } = reply.data;
  const beginning = beginningOf(text, roomIn({ ...reply, data: { ...reply.data, text: '' } }));
  const first: FrameReply = { ...reply, data: { ...reply.data, text: beginning } };
  const data = { run_id, message_id, offset: 0, text: '' };
  return [first, ...deltasFrom({ ...reply, type: 'message.delta', data }, text, beginning.length, 0)];
}

/** Returns deltas for `text` from `start` on. `text` begins at offset `base` of its message. */
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

/** Returns how many bytes a frame has left for its text. */
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
