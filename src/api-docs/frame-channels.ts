import { SUBPROTOCOL } from '../../protocol/messages.js';
import { CLIENT_FRAMES } from './client-frame-schemas.js';
import { frameName } from './frame-names.js';
import { CLIENT_TYPES, clientMessageName, SERVER_TYPES, serverMessageName } from './frame-messages.js';
import type { JsonSchema } from './schema-registry.js';

interface Channel {
  address: string;
  description: string;
  parameters?: Record<string, JsonSchema>;
}

const CHANNELS: Record<'socket' | 'conversationSocket', Channel> = {
  socket: {
    address: '/ws',
    description:
      'Any number of conversations: `subscribe`, `resume` and `message.send` each subscribe to one.',
  },
  conversationSocket: {
    address: '/ws/conversations/{conversation_id}',
    description:
      'One conversation, subscribed from the start. Frames for other conversations are refused with `forbidden`.',
    parameters: { conversation_id: { description: 'UUID of the conversation' } },
  },
};

const HANDSHAKE = {
  method: 'GET',
  query: {
    type: 'object',
    required: ['ticket'],
    properties: { ticket: { type: 'string', pattern: '^[\\w-]{43}$' } },
  },
  headers: {
    type: 'object',
    properties: { 'Sec-WebSocket-Protocol': { const: SUBPROTOCOL }, Origin: { type: 'string' } },
  },
  bindingVersion: '0.1.0',
};

/** Both sockets carry all frames. */
export function channelsOf(messages: string[]): Record<string, JsonSchema> {
  const carried = Object.fromEntries(
    messages.map((name) => [name, { $ref: `#/components/messages/${name}` }]),
  );
  return Object.fromEntries(
    Object.entries(CHANNELS).map(([name, channel]) => [
      name,
      { ...channel, messages: carried, bindings: { ws: HANDSHAKE } },
    ]),
  );
}

/** For each channel: one operation for each frame that the server receives, and one for all frames that it sends. */
export function operationsOf(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.keys(CHANNELS).flatMap((channel) => [
      ...CLIENT_TYPES.map((type) => [`${channel}Receive${frameName(type)}`, receiving(channel, type)]),
      [`${channel}Send`, sending(channel)],
    ]),
  ) as Record<string, JsonSchema>;
}

function receiving(channel: string, type: (typeof CLIENT_TYPES)[number]): JsonSchema {
  const { meaning, answers } = CLIENT_FRAMES[type];
  const replies = [...answers, 'error' as const].map(serverMessageName);
  return {
    action: 'receive',
    channel: { $ref: `#/channels/${channel}` },
    summary: meaning,
    messages: [messageIn(channel, clientMessageName(type))],
    reply: {
      channel: { $ref: `#/channels/${channel}` },
      messages: replies.map((name) => messageIn(channel, name)),
    },
  };
}

function sending(channel: string): JsonSchema {
  return {
    action: 'send',
    channel: { $ref: `#/channels/${channel}` },
    summary: 'Frames that the server sends, as replies and unasked.',
    messages: SERVER_TYPES.map((type) => messageIn(channel, serverMessageName(type))),
  };
}

function messageIn(channel: string, name: string): JsonSchema {
  return { $ref: `#/channels/${channel}/messages/${name}` };
}
