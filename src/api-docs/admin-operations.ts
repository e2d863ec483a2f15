import { z } from 'zod';
import type { User } from '../../protocol/resources.js';
import type { ConnectionPage } from '../websocket/connections/connection-entry.js';
import { numberParameter, type Operations, UUID_PARAMETER } from './operation.js';
import { connectionId, id, time, user } from './resource-schemas.js';
import { component } from './schema-registry.js';

const connectionPage = component<ConnectionPage>()(
  'ConnectionPage',
  'Open connections of the whole cluster, in the order of their ids.',
  z.object({
    connections: z.array(
      z.object({
        connection_id: connectionId,
        user_id: id,
        email: z.string(),
        session_id: id,
        client_id: z.string(),
        node: z.string().describe('The node that holds it'),
        address: z.string().describe('Network address of the client'),
        connected_at: time,
      }),
    ),
    next_cursor: z.string().optional(),
  }),
);

const changedUser = component<{ user: User }>()(
  'ChangedUser',
  'An account after a change.',
  z.object({ user }),
);

export const ADMIN_OPERATIONS: Operations = {
  'GET /admin/connections': {
    tag: 'Administration',
    summary: 'List open connections, on all nodes',
    parameters: {
      cursor: { type: 'string', description: '`next_cursor` of the previous page' },
      limit: numberParameter(1, 200, 50),
    },
    answers: { 200: { description: 'A page', schema: connectionPage } },
    failures: ['forbidden'],
  },
  'DELETE /admin/connections/{id}': {
    tag: 'Administration',
    summary: 'Close a connection on any node',
    description:
      'The close code is 4101: its client reconnects with a new ticket. To keep a user out, disable the account.',
    parameters: { id: { type: 'string' } },
    answers: { 204: { description: 'The node that holds it was told' } },
    failures: ['forbidden', 'not_found'],
  },
  'POST /admin/users/{id}/revoke': {
    tag: 'Administration',
    summary: 'End every session of a user',
    description: 'Sockets close with 4410 and answers being written stop. The user may sign in again.',
    parameters: { id: UUID_PARAMETER },
    answers: { 204: { description: 'The user is signed out everywhere' } },
    failures: ['forbidden', 'not_found'],
  },
  'PATCH /admin/users/{id}': {
    tag: 'Administration',
    summary: 'Change the role of a user, or disable the account',
    description:
      'A disabled user is signed out everywhere, and answers being written stop. A new role keeps the sessions: ' +
      'their sockets close with 4100, and clients reconnect with it. Administrators cannot disable or demote themselves.',
    parameters: { id: UUID_PARAMETER },
    answers: { 200: { description: 'The account with its changes', schema: changedUser } },
    failures: ['forbidden', 'not_found'],
  },
};
