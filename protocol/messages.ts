/**
 * The frames of the `chat.v1` subprotocol: one JSON object per text frame. PROTOCOL.md explains them.
 */

import type { Problem } from './errors.js';
import type { AcceptedMessage, Message, TicketPurpose, User } from './resources.js';
import { isBlank, textFault, unstorable } from './text.js';

export const SUBPROTOCOL = 'chat.v1';

/** Limits for both sides. Bytes are counted in UTF-8; lengths are UTF-16 code units. */
export const LIMITS = {
  maxFrameBytes: 64 * 1024,
  maxFrameIdLength: 64,
  minContentLength: 1,
  maxContentLength: 32_000,
  maxClientMessageIdLength: 128,
  maxClientIdLength: 64,
  maxTitleLength: 200,
  maxResumeCursors: 100,
} as const;

export type OnBusy = 'queue' | 'reject' | 'interrupt';
const ON_BUSY: readonly string[] = ['queue', 'reject', 'interrupt'];

export interface PartialMessage {
  message_id: string;
  /** How much of the message the client holds, in UTF-16 code units. */
  offset: number;
}

export interface ResumeCursor {
  conversation_id: string;
  seq: number;
  partials?: PartialMessage[];
}

/** `data` of each frame that a client may send. */
export interface ClientFrameData {
  subscribe: { conversation_id: string; after_seq?: number };
  unsubscribe: { conversation_id: string };
  resume: { cursors: ResumeCursor[] };
  'message.send': {
    conversation_id: string;
    client_message_id: string;
    content: string;
    parent_id?: string;
    on_busy?: OnBusy;
  };
  'message.regenerate': { conversation_id: string; client_message_id: string; message_id: string };
  'run.cancel': { run_id: string } | { client_message_id: string };
  'auth.refresh': { ticket: string };
  ping: { t?: number | string };
}

export type ClientFrameType = keyof ClientFrameData;

export interface ClientFrameOf<T extends ClientFrameType> {
  type: T;
  /** The client's own id for this frame, echoed as `re` in the reply. */
  id?: string;
  data: ClientFrameData[T];
}

export type ClientFrame = { [T in ClientFrameType]: ClientFrameOf<T> }[ClientFrameType];

export type FinishReason = 'stop' | 'length' | 'cancelled' | 'error';

export interface RunEnd {
  run_id: string;
  message_id: string;
  finish_reason: FinishReason;
  /** Length of the whole text in UTF-16 code units. */
  length: number;
  /** SHA-256 of the whole text in UTF-8, in lower-case hex. */
  sha256: string;
  usage?: { prompt_tokens?: number; completion_tokens?: number };
  problem?: Problem;
  truncated?: true;
}

/**
 * `data` of the events that are stored, numbered by `seq` and replayed. An event too large for a frame is sent in part,
 * with `truncated`; over HTTP it is whole.
 */
export interface DurableEventData {
  'message.created': { message: Message };
  'run.started': { run_id: string; message_id: string; responder: string; model?: string };
  'tool.call': {
    run_id: string;
    tool_call_id: string;
    name: string;
    arguments: Record<string, unknown>;
    truncated?: true;
  };
  'tool.result': {
    run_id: string;
    tool_call_id: string;
    output?: unknown;
    error?: string;
    truncated?: true;
  };
  'run.takeover': {
    run_id: string;
    message_id: string;
    from_node: string;
    to_node: string;
    offset: number;
    attempt: number;
  };
  'run.completed': RunEnd;
  'run.failed': RunEnd;
  'run.cancelled': RunEnd;
}

export type DurableEventType = keyof DurableEventData;

/** A durable event as stored, as fanned out and as returned by `GET /conversations/{id}/events`. */
export type DurableEvent = {
  [T in DurableEventType]: {
    type: T;
    conversation_id: string;
    seq: number;
    ts: string;
    data: DurableEventData[T];
  };
}[DurableEventType];

export type RunProgressState = 'queued' | 'waiting' | 'thinking' | 'tool';
/** `slow_consumer` is sent before close 4508; `reload` tells the client to load the conversation over HTTP. */
export type NoticeCode = 'slow_consumer' | 'reload';

/** `data` of every frame that a server sends: the durable events and the others. */
export interface ServerFrameData extends DurableEventData {
  ready: {
    connection_id: string;
    session_id: string;
    client_id: string;
    node: string;
    protocol: typeof SUBPROTOCOL;
    user: User;
    conversation_id?: string;
    auth: { method: string; expires_at: string; refresh_after: string };
    heartbeat: { interval_ms: number; timeout_ms: number };
    limits: { max_frame_bytes: number; frames_per_minute: number };
    reconnect: { base_ms: number; max_ms: number };
    responder: { id: string; label: string };
    server_time: string;
  };
  subscribed: { conversation_id: string; last_seq: number };
  /** `reason` is set if the client did not ask for it. */
  unsubscribed: { conversation_id: string; reason?: 'conversation_not_found' };
  resumed: {
    conversation_id: string;
    recovered: boolean;
    from_seq: number;
    to_seq: number;
    replayed: number;
  };
  'message.accepted': AcceptedMessage & { client_message_id: string };
  'message.delta': { run_id: string; message_id: string; offset: number; text: string };
  'message.snapshot': { run_id: string; message_id: string; text: string; status: string };
  'auth.refreshed': { expires_at: string };
  'auth.expiring': { expires_at: string };
  pong: { t?: number | string; server_time: string };
  'session.revoked': { reason: string };
  'server.draining': { handoff_ticket: string; url: string; connect_after_ms: number; deadline_ms: number };
  'run.progress': {
    run_id: string;
    state: RunProgressState;
    /** While queued: position among the user's waiting runs, from 1. */
    position?: number;
    /** Time since the question was accepted. */
    elapsed_ms: number;
    thinking?: { offset: number; text: string };
  };
  notice: { code: NoticeCode; detail: string };
  error: Problem;
}

export type ServerFrameType = keyof ServerFrameData;

export interface ServerFrameOf<T extends ServerFrameType> {
  type: T;
  re?: string;
  conversation_id?: string;
  seq?: number;
  ts: string;
  data: ServerFrameData[T];
  /** On `error` frames: the problem's title, for clients that show one line. */
  error?: string;
}

export type ServerFrame = { [T in ServerFrameType]: ServerFrameOf<T> }[ServerFrameType];

/** Why a text is not a valid frame. `id` is set if the client sent a usable one. */
export interface FrameFault {
  code: 'frame_invalid' | 'frame_unknown' | 'validation_failed';
  detail: string;
  id?: string;
}

export type ParsedFrame = { ok: true; frame: ClientFrame } | { ok: false; fault: FrameFault };

type Fields = Record<string, unknown>;

/** A field of `data` is invalid; the message is for the client. */
class FieldError extends Error {}

/** Parses one text frame from a client. Never throws. */
export function parseClientFrame(text: string): ParsedFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault('frame_invalid', 'a frame must be one JSON object');
  }
  if (!isObject(value))
    return fault('frame_invalid', `a frame must be one JSON object, not ${kindOf(value)}`);
  const textProblem = textFault(value);
  const { id, type } = value;
  if (textProblem !== undefined) return fault('validation_failed', textProblem, id);
  if (id !== undefined && !isFrameId(id)) {
    return fault('frame_invalid', `"id" must be a string of 1 to ${LIMITS.maxFrameIdLength} characters`);
  }
  if (typeof type !== 'string')
    return fault('frame_invalid', `"type" must be a string, not ${kindOf(type)}`, id);
  if (!Object.hasOwn(DATA_PARSERS, type))
    return fault('frame_unknown', 'this "type" is not one that a client sends', id);
  const data = value.data ?? {};
  if (!isObject(data)) return fault('frame_invalid', `"data" must be an object, not ${kindOf(data)}`, id);
  try {
    const frame = { type, data: DATA_PARSERS[type as ClientFrameType](data) } as ClientFrame;
    if (id !== undefined) frame.id = id;
    return { ok: true, frame };
  } catch (error) {
    if (error instanceof FieldError) return fault('validation_failed', error.message, id);
    throw error;
  }
}

/** The `id` of a text frame, whether or not the frame is usable, for the `re` of the reply. */
export function frameIdOf(text: string): string | undefined {
  const parsed = parseClientFrame(text);
  return parsed.ok ? parsed.frame.id : parsed.fault.id;
}

const DATA_PARSERS: { [T in ClientFrameType]: (data: Fields) => ClientFrameData[T] } = {
  subscribe: (data) => ({
    conversation_id: uuid(data, 'conversation_id'),
    ...optional('after_seq', wholeNumber(data, 'after_seq')),
  }),
  unsubscribe: (data) => ({ conversation_id: uuid(data, 'conversation_id') }),
  resume: (data) => ({ cursors: list(data, 'cursors', LIMITS.maxResumeCursors).map(parseCursor) }),
  'message.send': (data) => ({
    conversation_id: uuid(data, 'conversation_id'),
    client_message_id: clientMessageId(data),
    content: content(data),
    ...optional('parent_id', data.parent_id === undefined ? undefined : uuid(data, 'parent_id')),
    ...optional('on_busy', onBusy(data)),
  }),
  'message.regenerate': (data) => ({
    conversation_id: uuid(data, 'conversation_id'),
    client_message_id: clientMessageId(data),
    message_id: uuid(data, 'message_id'),
  }),
  'run.cancel': (data) =>
    data.run_id === undefined
      ? { client_message_id: clientMessageId(data) }
      : { run_id: uuid(data, 'run_id') },
  'auth.refresh': (data) => ({ ticket: string(data, 'ticket', 1, 256) }),
  ping: (data) => {
    const { t } = data;
    if (t === undefined) return {};
    // JSON has no largest number, but no infinity to answer with.
    if (typeof t === 'number' && Number.isFinite(t)) return { t };
    if (typeof t === 'string' && t.length <= LIMITS.maxFrameIdLength) return { t };
    throw new FieldError(`"t" must be a number or a string of at most ${LIMITS.maxFrameIdLength} characters`);
  },
};

function parseCursor(value: unknown): ResumeCursor {
  if (!isObject(value)) throw new FieldError('"cursors" must hold objects {conversation_id, seq, partials?}');
  const seq = wholeNumber(value, 'seq');
  if (seq === undefined) throw new FieldError('"seq" must be a whole number from 0');
  const cursor: ResumeCursor = { conversation_id: uuid(value, 'conversation_id'), seq };
  if (value.partials !== undefined) {
    cursor.partials = list(value, 'partials', LIMITS.maxResumeCursors).map((partial) => {
      if (!isObject(partial)) throw new FieldError('"partials" must hold objects {message_id, offset}');
      const offset = wholeNumber(partial, 'offset');
      if (offset === undefined) throw new FieldError('"offset" must be a whole number from 0');
      return { message_id: uuid(partial, 'message_id'), offset };
    });
  }
  return cursor;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What a client may call its window or device. */
export const CLIENT_ID_FORM = new RegExp(`^[\\w.:-]{1,${LIMITS.maxClientIdLength}}$`);

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

/** Why a text cannot be a message's content, or `undefined`. PostgreSQL stores no NUL; UTF-8 has no lone surrogate. */
export function contentFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return `"content" must be a string, not ${kindOf(value)}`;
  if (value.length < LIMITS.minContentLength || value.length > LIMITS.maxContentLength) {
    return `"content" must have ${LIMITS.minContentLength} to ${LIMITS.maxContentLength} characters, not ${value.length}`;
  }
  if (isBlank(value)) return '"content" must have more than white space';
  return unstorable(value) ? '"content" must be well-formed Unicode without NUL' : undefined;
}

/** Why a text cannot be a `client_message_id`, or `undefined` when it can. */
export function clientMessageIdFault(value: unknown): string | undefined {
  if (
    typeof value !== 'string' ||
    value.length < 1 ||
    value.length > LIMITS.maxClientMessageIdLength ||
    unstorable(value)
  ) {
    return `"client_message_id" must be a string of 1 to ${LIMITS.maxClientMessageIdLength} characters without NUL`;
  }
  return undefined;
}

function content(data: Fields): string {
  const problem = contentFault(data.content);
  if (problem !== undefined) throw new FieldError(problem);
  return data.content as string;
}

function clientMessageId(data: Fields): string {
  const problem = clientMessageIdFault(data.client_message_id);
  if (problem !== undefined) throw new FieldError(problem);
  return data.client_message_id as string;
}

function onBusy(data: Fields): OnBusy | undefined {
  const value = data.on_busy;
  if (value === undefined) return undefined;
  if (typeof value === 'string' && ON_BUSY.includes(value)) return value as OnBusy;
  throw new FieldError(`"on_busy" must be one of ${ON_BUSY.join(', ')}`);
}

function uuid(data: Fields, name: string): string {
  const value = data[name];
  if (isUuid(value)) return value.toLowerCase();
  throw new FieldError(`"${name}" must be a UUID`);
}

function string(data: Fields, name: string, min: number, max: number): string {
  const value = data[name];
  if (typeof value === 'string' && value.length >= min && value.length <= max) return value;
  throw new FieldError(`"${name}" must be a string of ${min} to ${max} characters`);
}

function wholeNumber(data: Fields, name: string): number | undefined {
  const value = data[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FieldError(`"${name}" must be a whole number from 0`);
}

function list(data: Fields, name: string, max: number): unknown[] {
  const value = data[name];
  if (Array.isArray(value) && value.length <= max) return value;
  throw new FieldError(`"${name}" must be a list of at most ${max}`);
}

function optional<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: V });
}

function isFrameId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= LIMITS.maxFrameIdLength &&
    !unstorable(value)
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value;
}

function fault(code: FrameFault['code'], detail: string, id?: unknown): ParsedFrame {
  return { ok: false, fault: isFrameId(id) ? { code, detail, id } : { code, detail } };
}

/** `ws` or `wss` URL of the socket, without a ticket. */
export function socketPath(conversationId?: string): string {
  return conversationId === undefined ? '/ws' : `/ws/conversations/${conversationId}`;
}

export function isTicketPurpose(value: unknown): value is TicketPurpose {
  return value === 'connect' || value === 'refresh';
}
