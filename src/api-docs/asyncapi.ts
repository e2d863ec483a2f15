import { CLOSE_CODES, reconnectPolicy } from '../../protocol/close-codes.js';
import { LIMITS, SUBPROTOCOL } from '../../protocol/messages.js';
import { channelsOf, operationsOf } from './frame-channels.js';
import { frameMessages } from './frame-messages.js';
import { componentsOf, type JsonSchema } from './schema-registry.js';

const DESCRIPTION = `One JSON object per text message, at most ${LIMITS.maxFrameBytes} bytes. A client mints a ticket
with \`POST /websocket/ticket\` and dials with it; the first frame is \`ready\`. The reply to a frame that cannot be
handled is \`error\`. A client ignores frame types and members that it does not know.`;

/**
 * AsyncAPI 3.0 of the sockets, as the server sees them: it receives client frames and sends server frames.
 * @param publicUrl where clients reach the server over HTTP.
 */
export function buildAsyncApi(publicUrl: string): JsonSchema {
  const { protocol, host, pathname } = new URL(publicUrl);
  const messages = frameMessages();
  const server = {
    host,
    protocol: protocol === 'https:' ? 'wss' : 'ws',
    ...(pathname === '/' ? {} : { pathname }),
    security: [{ $ref: '#/components/securitySchemes/ticket' }],
  };
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Admit One sockets',
      version: '1.0.0',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      externalDocs: { description: 'The HTTP interface, as OpenAPI 3.1', url: '/api/openapi.json' },
    },
    defaultContentType: 'application/json',
    servers: { chat: server },
    channels: channelsOf(Object.keys(messages)),
    operations: operationsOf(),
    components: {
      messages,
      schemas: componentsOf(messages),
      securitySchemes: {
        ticket: {
          type: 'httpApiKey',
          in: 'query',
          name: 'ticket',
          description: 'From `POST /websocket/ticket`: 32 random bytes in base64url, valid once.',
        },
      },
    },
    'x-subprotocol': SUBPROTOCOL,
    'x-close-codes': closeCodes(),
  };
}

/** An extension, because AsyncAPI has no member for close codes. */
function closeCodes(): JsonSchema[] {
  return Object.entries(CLOSE_CODES).map(([reason, code]) => ({
    code,
    reason,
    reconnect: reconnectPolicy(code),
  }));
}
