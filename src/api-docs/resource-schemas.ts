import { z } from 'zod';
import { CLOSE_CODES } from '../../protocol/close-codes.js';
import { type ErrorCode, ERRORS, type Problem } from '../../protocol/errors.js';
import { SUBPROTOCOL } from '../../protocol/messages.js';
import type {
  AcceptedMessage,
  Conversation,
  IssuedTicket,
  Me,
  Message,
  MessagePage,
  OwnSession,
  Receipt,
  SignIn,
  User,
} from '../../protocol/resources.js';
import { component } from './schema-registry.js';

/** ISO 8601 in UTC with milliseconds. */
export const time = z.iso.datetime({ precision: 3 });
export const id = z.guid();
export const seq = z.int().min(0).describe("Place in the conversation's log");
export const count = z.int().min(0);
const seconds = z.int().min(0).describe('Seconds');
const ticketId = z.string().regex(/^tkt_[\w-]+$/);
export const connectionId = z.string().regex(/^con_[\w-]+$/);

export const problem = component<Problem>()(
  'Problem',
  'An error (RFC 9457). Programs decide by `code` and `retry`; `title` and `detail` are for people.',
  z.object({
    type: z.string().describe('URI reference of the kind of problem: ends in /problems/{code}'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().describe('Path of the request, never with its query string'),
    code: z.enum(Object.keys(ERRORS) as ErrorCode[]),
    trace_id: z.string(),
    retry: z
      .enum(['none', 'new_ticket', 'backoff', 'after'])
      .describe('What to do next: do not retry, mint a ticket, try later, or wait `retry_after_ms`'),
    retry_after_ms: z.int().min(0).describe('Milliseconds'),
  }),
);

export const user = component<User>()(
  'User',
  'An account.',
  z.object({ id, email: z.string(), role: z.enum(['user', 'admin']), display_name: z.string() }),
);

export const newUser = component<{ user: User }>()(
  'NewUser',
  'The account that was created.',
  z.object({ user }),
);

export const signIn = component<SignIn>()(
  'SignIn',
  'A session and its tokens.',
  z.object({
    access_token: z.string().describe('To be sent in `Authorization: Bearer`'),
    token_type: z.literal('Bearer'),
    expires_in: seconds,
    refresh_token: z.string().describe('Valid once: each refresh returns the next one'),
    session_id: id,
    user,
  }),
);

export const me = component<Me>()(
  'Me',
  'The user and session of an access token.',
  z.object({ user, session_id: id, expires_at: time.describe('End of the access token') }),
);

export const ownSessions = component<{ sessions: OwnSession[] }>()(
  'OwnSessions',
  'The open sessions of this account.',
  z.object({
    sessions: z.array(
      z.object({
        id,
        device: z.string().describe('Such as "Firefox on Linux", from the user agent of the sign-in'),
        created_at: time,
        last_seen_at: time,
        current: z.boolean().describe('Whether this request belongs to it'),
      }),
    ),
  }),
);

export const issuedTicket = component<IssuedTicket>()(
  'IssuedTicket',
  'The right to open one socket, once.',
  z.object({
    ticket: z.string().describe('A secret until it is used; only this response contains it'),
    ticket_id: ticketId.describe('Identifies the ticket in receipts and logs; it cannot open a socket'),
    expires_in: seconds,
    expires_at: time,
    url: z.string().describe('Where to dial: append `?ticket=`'),
    protocol: z.literal(SUBPROTOCOL),
    server_time: time,
  }),
);

export const receipt = component<Receipt>()(
  'Receipt',
  'What became of a ticket.',
  z.object({
    ticket_id: ticketId,
    state: z.enum(['pending', 'consumed', 'rejected', 'expired', 'revoked']),
    code: z.string().describe('Why it was rejected').optional(),
    at: time.describe('Time at which it entered this state'),
    connection_id: connectionId.optional(),
    close: z
      .object({ code: z.int().min(CLOSE_CODES.normal), reason: z.string() })
      .describe('How the connection that it opened was closed')
      .optional(),
  }),
);

export const conversation = component<Conversation>()(
  'Conversation',
  'An ordered log of messages and their events.',
  z.object({ id, title: z.string(), last_seq: seq, created_at: time, updated_at: time }),
);

export const conversationPage = component<{ conversations: Conversation[]; next_cursor?: string }>()(
  'ConversationPage',
  'Newest first.',
  z.object({ conversations: z.array(conversation), next_cursor: z.string().optional() }),
);

export const message = component<Message>()(
  'Message',
  'A turn by the user or the assistant.',
  z.object({
    id,
    role: z.enum(['user', 'assistant']),
    content: z.string(),
    status: z.enum(['complete', 'streaming', 'failed', 'cancelled']),
    seq,
    run_id: id.optional(),
    parent_id: id.optional(),
    client_message_id: z.string().optional(),
    created_at: time,
    truncated: z.literal(true).optional().describe('In frames only: `content` is the beginning'),
  }),
);

export const messagePage = component<MessagePage>()(
  'MessagePage',
  'Oldest first.',
  z.object({ messages: z.array(message), has_more: z.boolean() }),
);

export const acceptedMessage = component<AcceptedMessage>()(
  'AcceptedMessage',
  'The message is stored. With `duplicate`, it was stored earlier and these are its ids.',
  z.object({ message_id: id, seq, run_id: id, duplicate: z.boolean() }),
);

/** The report of `@nestjs/terminus`. */
const indicators = z.record(z.string(), z.looseObject({ status: z.enum(['up', 'down']) }));
export const healthReport = component<{
  status: 'ok' | 'error' | 'shutting_down';
  info?: Record<string, { [fact: string]: unknown; status: 'up' | 'down' }>;
  error?: Record<string, { [fact: string]: unknown; status: 'up' | 'down' }>;
  details: Record<string, { [fact: string]: unknown; status: 'up' | 'down' }>;
}>()(
  'HealthReport',
  'What is up and what is down.',
  z.object({
    status: z.enum(['ok', 'error', 'shutting_down']),
    info: indicators.optional(),
    error: indicators.optional(),
    details: indicators,
  }),
);

const dependencies = z.record(
  z.string(),
  z.object({
    status: z.enum(['up', 'down', 'loading']),
    latency_ms: z.number().optional().describe('Milliseconds, of one that is up'),
  }),
);
type Dependencies = Record<string, { status: 'up' | 'down' | 'loading'; latency_ms?: number }>;
export const dependencyReport = component<{
  status: 'ok' | 'degraded' | 'error';
  info: Dependencies;
  error: Dependencies;
  details: Dependencies;
  warnings: ('evicts_keys' | 'eviction_unknown' | 'clock_skew')[];
}>()(
  'DependencyReport',
  'Each dependency. `degraded` is a node whose responder is down: everything but answers still works.',
  z.object({
    status: z.enum(['ok', 'degraded', 'error']),
    info: dependencies.describe('Those that are up'),
    error: dependencies.describe('The others'),
    details: dependencies.describe('All of them'),
    warnings: z
      .array(z.enum(['evicts_keys', 'eviction_unknown', 'clock_skew']))
      .describe('What an operator should check, although everything works'),
  }),
);
