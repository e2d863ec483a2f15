import { z } from 'zod';
import {
  type ClientFrameData,
  type ClientFrameType,
  LIMITS,
  type ServerFrameType,
} from '../../protocol/messages.js';
import { frameDataName } from './frame-names.js';
import { count, id, seq } from './resource-schemas.js';
import { component, type IsSame } from './schema-registry.js';

export interface ClientFrameRow {
  meaning: string;
  data: z.ZodType;
  /** Frames with which the server replies, with the request's `id` in `re`; `error` may replace any of them. */
  answers: readonly ServerFrameType[];
}

const clientMessageId = z
  .string()
  .min(1)
  .max(LIMITS.maxClientMessageIdLength)
  .describe("The client's own id for the message: sending it again has no effect");

const cursor = z.object({
  conversation_id: id,
  seq,
  partials: z
    .array(z.object({ message_id: id, offset: count }))
    .max(LIMITS.maxResumeCursors)
    .optional(),
});

export const CLIENT_FRAMES: Record<ClientFrameType, ClientFrameRow> = {
  subscribe: frame(
    'subscribe',
    'Asks for the events of a conversation from now on, or with `after_seq` for those after it.',
    ['subscribed'],
    z.object({ conversation_id: id, after_seq: seq.optional() }),
  ),
  unsubscribe: frame(
    'unsubscribe',
    'Ends a subscription to a conversation.',
    ['unsubscribed'],
    z.object({ conversation_id: id }),
  ),
  resume: frame(
    'resume',
    'Asks for the events that the client missed while it was disconnected.',
    ['resumed'],
    z.object({ cursors: z.array(cursor).max(LIMITS.maxResumeCursors) }),
  ),
  'message.send': frame(
    'message.send',
    'Adds a message to a conversation and asks for an answer to it.',
    ['message.accepted'],
    z.object({
      conversation_id: id,
      client_message_id: clientMessageId,
      content: z.string().min(LIMITS.minContentLength).max(LIMITS.maxContentLength),
      parent_id: id.optional(),
      on_busy: z.enum(['queue', 'reject', 'interrupt']).optional(),
    }),
  ),
  'message.regenerate': frame(
    'message.regenerate',
    'Asks for a new answer to replace an existing one.',
    ['message.accepted'],
    z.object({ conversation_id: id, client_message_id: clientMessageId, message_id: id }),
  ),
  'run.cancel': frame(
    'run.cancel',
    'Stops an answer, identified by its run or by the message that asked for it.',
    ['run.cancelled'],
    z.union([z.object({ run_id: id }), z.object({ client_message_id: clientMessageId })]),
  ),
  'auth.refresh': frame(
    'auth.refresh',
    'Renews the socket with a ticket of purpose `refresh`.',
    ['auth.refreshed'],
    z.object({ ticket: z.string().min(1).max(256) }),
  ),
  ping: frame(
    'ping',
    'Checks that the server responds.',
    ['pong'],
    z.object({ t: z.union([z.number(), z.string().max(LIMITS.maxFrameIdLength)]).optional() }),
  ),
};

function frame<T extends ClientFrameType, S extends z.ZodType>(
  type: T,
  meaning: string,
  answers: readonly ServerFrameType[],
  data: S,
  ...proof: IsSame<z.output<S>, ClientFrameData[T]> extends true ? [] : [differs: never]
): ClientFrameRow {
  component<ClientFrameData[T]>()(frameDataName(type), `\`data\` of \`${type}\`.`, data, ...proof);
  return { meaning, data, answers };
}
