import { type ClientFrameType, LIMITS, type ServerFrameType } from '../../protocol/messages.js';
import { CLIENT_FRAMES } from './client-frame-schemas.js';
import { frameName } from './frame-names.js';
import { type JsonSchema, reference } from './schema-registry.js';
import { DURABLE_FRAMES, LIVE_FRAMES } from './server-frame-schemas.js';

const SERVER_FRAMES = { ...DURABLE_FRAMES, ...LIVE_FRAMES };
export const CLIENT_TYPES = Object.keys(CLIENT_FRAMES) as ClientFrameType[];
export const SERVER_TYPES = [
  ...Object.keys(DURABLE_FRAMES),
  ...Object.keys(LIVE_FRAMES),
] as ServerFrameType[];

/** Name of a frame among the messages; the prefix keeps the two directions apart. */
export function clientMessageName(type: ClientFrameType): string {
  return `client${frameName(type)}`;
}

export function serverMessageName(type: ServerFrameType): string {
  return `server${frameName(type)}`;
}

/** `components.messages`: every frame of either side. */
export function frameMessages(): Record<string, JsonSchema> {
  const client = CLIENT_TYPES.map((type): [string, JsonSchema] => [
    clientMessageName(type),
    { ...head(type, CLIENT_FRAMES[type].meaning), payload: clientPayload(type) },
  ]);
  const server = SERVER_TYPES.map((type): [string, JsonSchema] => [
    serverMessageName(type),
    {
      ...head(type, SERVER_FRAMES[type].meaning),
      payload: serverPayload(type),
      'x-durable': type in DURABLE_FRAMES,
    },
  ]);
  return Object.fromEntries([...client, ...server]);
}

function head(type: string, summary: string): JsonSchema {
  return { name: type, title: type, summary };
}

function clientPayload(type: ClientFrameType): JsonSchema {
  return {
    type: 'object',
    required: ['type', 'data'],
    properties: {
      type: { const: type },
      id: {
        type: 'string',
        minLength: 1,
        maxLength: LIMITS.maxFrameIdLength,
        description: "The client's own id for this frame: the reply repeats it as `re`",
      },
      data: reference(CLIENT_FRAMES[type].data),
    },
  };
}

function serverPayload(type: ServerFrameType): JsonSchema {
  const place = type in DURABLE_FRAMES ? ['conversation_id', 'seq'] : [];
  const title = { type: 'string', description: 'Title of the problem' };
  return {
    type: 'object',
    required: ['type', 'ts', 'data', ...place],
    properties: {
      type: { const: type },
      re: { type: 'string', description: '`id` of the frame that this replies to' },
      conversation_id: { type: 'string', format: 'uuid' },
      seq: {
        type: 'integer',
        minimum: 1,
        description: 'For durable frames: the place in the log, without gaps',
      },
      ts: { type: 'string', format: 'date-time' },
      data: reference(SERVER_FRAMES[type].data),
      ...(type === 'error' ? { error: title } : {}),
    },
  };
}
