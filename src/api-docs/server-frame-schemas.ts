import { z } from 'zod';
import {
  type DurableEvent,
  type DurableEventType,
  type RunEnd,
  type ServerFrameData,
  type ServerFrameType,
  SUBPROTOCOL,
} from '../../protocol/messages.js';
import { frameDataName } from './frame-names.js';
import { connectionId, count, id, message, problem, seq, time, user } from './resource-schemas.js';
import { component, type IsSame } from './schema-registry.js';

export interface ServerFrameRow {
  meaning: string;
  data: z.ZodType;
}

const truncated = z.literal(true).optional().describe('Only a part of the event; HTTP returns all of it');

const runEnd = z.object({
  run_id: id,
  message_id: id,
  finish_reason: z.enum(['stop', 'length', 'cancelled', 'error']),
  length: count.describe('UTF-16 code units of the whole text'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('SHA-256 of the whole text in UTF-8'),
  usage: z.object({ prompt_tokens: count.optional(), completion_tokens: count.optional() }).optional(),
  problem: problem.optional(),
  truncated,
});
component<RunEnd>()(
  'RunEnd',
  'How an answer ended, with length and digest, so that a client can check that it has all of it.',
  runEnd,
);

/** Stored, numbered by `seq` and replayed. */
export const DURABLE_FRAMES: Record<DurableEventType, ServerFrameRow> = {
  'message.created': frame(
    'message.created',
    'A message was added to the conversation.',
    z.object({ message }),
  ),
  'run.started': frame(
    'run.started',
    'A node began to write this message.',
    z.object({ run_id: id, message_id: id, responder: z.string(), model: z.string().optional() }),
  ),
  'tool.call': frame(
    'tool.call',
    'The assistant uses a tool.',
    z.object({
      run_id: id,
      tool_call_id: z.string(),
      name: z.string(),
      arguments: z.record(z.string(), z.unknown()),
      truncated,
    }),
  ),
  'tool.result': frame(
    'tool.result',
    'The result of the tool, or why it failed.',
    z.object({
      run_id: id,
      tool_call_id: z.string(),
      output: z.unknown().optional(),
      error: z.string().optional(),
      truncated,
    }),
  ),
  'run.takeover': frame(
    'run.takeover',
    'The node that wrote this message failed; another node continues the same message.',
    z.object({
      run_id: id,
      message_id: id,
      from_node: z.string(),
      to_node: z.string(),
      offset: count,
      attempt: count,
    }),
  ),
  'run.completed': { meaning: 'The message is complete.', data: runEnd },
  'run.failed': { meaning: 'The message ends here because of `problem`.', data: runEnd },
  'run.cancelled': { meaning: 'The message ends here because its owner stopped it.', data: runEnd },
};

/** Sent once, neither stored nor replayed. */
export const LIVE_FRAMES: Record<Exclude<ServerFrameType, DurableEventType>, ServerFrameRow> = {
  ready: frame(
    'ready',
    'The first frame: who you are, and how to behave on this socket.',
    z.object({
      connection_id: connectionId,
      session_id: id,
      client_id: z.string(),
      node: z.string(),
      protocol: z.literal(SUBPROTOCOL),
      user,
      conversation_id: id.optional(),
      auth: z.object({ method: z.string(), expires_at: time, refresh_after: time }),
      heartbeat: z.object({ interval_ms: count, timeout_ms: count }),
      limits: z.object({ max_frame_bytes: count, frames_per_minute: count }),
      reconnect: z.object({ base_ms: count, max_ms: count }),
      responder: z.object({ id: z.string(), label: z.string() }),
      server_time: time,
    }),
  ),
  subscribed: frame(
    'subscribed',
    'The events of this conversation arrive from now on.',
    z.object({ conversation_id: id, last_seq: seq }),
  ),
  unsubscribed: frame(
    'unsubscribed',
    'The events of this conversation no longer arrive; `reason` is set when the client did not ask for that.',
    z.object({ conversation_id: id, reason: z.literal('conversation_not_found').optional() }),
  ),
  resumed: frame(
    'resumed',
    'How a cursor was handled: the missed events follow, unless `recovered` is false.',
    z.object({
      conversation_id: id,
      recovered: z.boolean(),
      from_seq: seq,
      to_seq: seq,
      replayed: count,
    }),
  ),
  'message.accepted': frame(
    'message.accepted',
    'The message is stored for good, and its answer is queued.',
    z.object({ client_message_id: z.string(), message_id: id, seq, run_id: id, duplicate: z.boolean() }),
  ),
  'message.delta': frame(
    'message.delta',
    'A piece of the message: `text = text.slice(0, offset) + delta.text`.',
    z.object({ run_id: id, message_id: id, offset: count, text: z.string() }),
  ),
  'message.snapshot': frame(
    'message.snapshot',
    'The message so far, for a late joiner; when it does not fit, its beginning, with the rest in deltas.',
    z.object({ run_id: id, message_id: id, text: z.string(), status: z.string() }),
  ),
  'run.progress': frame(
    'run.progress',
    'The state of the run while no text arrives.',
    z.object({
      run_id: id,
      state: z.enum(['queued', 'waiting', 'thinking', 'tool']),
      position: z.int().min(1).optional(),
      elapsed_ms: count,
      thinking: z.object({ offset: count, text: z.string() }).optional(),
    }),
  ),
  'auth.refreshed': frame('auth.refreshed', 'The socket was renewed.', z.object({ expires_at: time })),
  'auth.expiring': frame(
    'auth.expiring',
    'The time of the socket will end: renew it.',
    z.object({ expires_at: time }),
  ),
  pong: frame(
    'pong',
    'The reply to `ping`, with its `t`.',
    z.object({ t: z.union([z.number(), z.string()]).optional(), server_time: time }),
  ),
  'session.revoked': frame(
    'session.revoked',
    'The session has ended; close code 4410 follows.',
    z.object({ reason: z.string() }),
  ),
  'server.draining': frame(
    'server.draining',
    'This node is about to stop: dial `url` with the ticket, and resume there.',
    z.object({
      handoff_ticket: z.string(),
      url: z.string(),
      connect_after_ms: count,
      deadline_ms: count,
    }),
  ),
  notice: frame(
    'notice',
    'Something worth knowing; nothing has to be done.',
    z.object({ code: z.enum(['slow_consumer', 'reload']), detail: z.string() }),
  ),
  error: { meaning: 'A frame, or the socket, has a problem.', data: problem },
};

function frame<T extends ServerFrameType, S extends z.ZodType>(
  type: T,
  meaning: string,
  data: S,
  ...proof: IsSame<z.output<S>, ServerFrameData[T]> extends true ? [] : [differs: never]
): ServerFrameRow {
  component<ServerFrameData[T]>()(frameDataName(type), `\`data\` of \`${type}\`.`, data, ...proof);
  return { meaning, data };
}

const events = Object.entries(DURABLE_FRAMES).map(([type, { data }]) =>
  z.object({ type: z.literal(type), conversation_id: id, seq, ts: time, data }),
);
// Built in a loop, so the compiler cannot infer the union; each member was compared above.
const event = z.union(events) as unknown as z.ZodType<DurableEvent>;

export const eventPage = component<{ events: DurableEvent[]; last_seq: number }>()(
  'EventPage',
  'Oldest first; `last_seq` is the `seq` of the newest event.',
  z.object({ events: z.array(event), last_seq: seq }),
);
