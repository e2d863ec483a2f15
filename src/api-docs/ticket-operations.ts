import { type Operations, UUID_PARAMETER } from './operation.js';
import { issuedTicket, receipt } from './resource-schemas.js';

const TICKET_ID = { type: 'string', pattern: '^tkt_[\\w-]+$' };
const TICKET = { type: 'string', pattern: '^[\\w-]{43}$', description: 'From `POST /websocket/ticket`' };
const UPGRADED = {
  'Sec-WebSocket-Protocol': '`chat.v1` if the client offered it, otherwise absent',
};

const SOCKET_FAILURES = [
  'multiple_credentials',
  'protocol_unsupported',
  { code: 'protocol_unsupported', status: 426 },
  'ticket_rejected',
  'origin_not_allowed',
  'rate_limited',
  'draining',
  'dependency_unavailable',
] as const;

export const TICKET_OPERATIONS: Operations = {
  'POST /websocket/ticket': {
    tag: 'Tickets',
    summary: 'Mint a ticket',
    description:
      'The right to open one socket, once, within `expires_in` seconds. If the request has an `Origin`, the upgrade ' +
      'must have the same one. `conversation_id` restricts the ticket to that conversation. Limited per user: ' +
      'tickets per minute, and unused tickets at a time.',
    isBodyOptional: true,
    answers: {
      201: {
        description: 'Dial `url` with `?ticket=` and the ticket appended',
        schema: issuedTicket,
        headers: { 'Cache-Control': '`no-store`' },
      },
    },
    failures: ['conversation_not_found'],
  },
  'GET /websocket/tickets/{ticket_id}': {
    tag: 'Tickets',
    summary: 'Read what became of a ticket',
    description:
      'For five minutes and its owner only. Browsers hide the response to a refused upgrade; the receipt has the reason.',
    parameters: { ticket_id: TICKET_ID },
    answers: { 200: { description: 'The receipt', schema: receipt } },
    failures: ['not_found'],
  },
  'DELETE /websocket/tickets/{ticket_id}': {
    tag: 'Tickets',
    summary: 'Revoke a ticket that is not needed',
    parameters: { ticket_id: TICKET_ID },
    answers: { 204: { description: 'It can no longer open a socket' } },
    failures: ['not_found'],
  },
  'GET /ws': {
    tag: 'Sockets',
    summary: 'Open a socket for any number of conversations',
    description:
      'A WebSocket handshake (RFC 6455). The frames are described in `/api/asyncapi.json`. A refusal says ' +
      '`ticket_rejected` for every fault of a ticket: the receipt tells its owner which.',
    parameters: { ticket: TICKET },
    answers: {
      101: { description: 'The socket is open; `ready` is its first frame', headers: UPGRADED },
    },
    failures: SOCKET_FAILURES,
  },
  'GET /ws/conversations/{id}': {
    tag: 'Sockets',
    summary: 'Open a socket for one conversation',
    description: 'As `/ws`, subscribed to this conversation from the start and to no other.',
    parameters: { id: UUID_PARAMETER, ticket: TICKET },
    answers: {
      101: { description: 'The socket is open; `ready` is its first frame', headers: UPGRADED },
    },
    failures: SOCKET_FAILURES,
  },
};
