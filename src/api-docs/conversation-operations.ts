import { numberParameter, type Operations, UUID_PARAMETER } from './operation.js';
import { acceptedMessage, conversation, conversationPage, messagePage } from './resource-schemas.js';
import { eventPage } from './server-frame-schemas.js';

const ID = { id: UUID_PARAMETER };

export const CONVERSATION_OPERATIONS: Operations = {
  'POST /conversations': {
    tag: 'Conversations',
    summary: 'Create a conversation',
    isBodyOptional: true,
    answers: { 201: { description: 'The new, empty conversation', schema: conversation } },
  },
  'GET /conversations': {
    tag: 'Conversations',
    summary: 'List your conversations, newest first',
    parameters: {
      cursor: { type: 'string', maxLength: 200, description: '`next_cursor` of the previous page' },
      limit: numberParameter(1, 100, 50),
    },
    answers: { 200: { description: 'A page', schema: conversationPage } },
  },
  'GET /conversations/{id}': {
    tag: 'Conversations',
    summary: 'Read one conversation',
    parameters: ID,
    answers: { 200: { description: 'The conversation, without its messages', schema: conversation } },
    failures: ['conversation_not_found'],
  },
  'PATCH /conversations/{id}': {
    tag: 'Conversations',
    summary: 'Rename a conversation',
    parameters: ID,
    answers: { 200: { description: 'The conversation with its new title', schema: conversation } },
    failures: ['conversation_not_found'],
  },
  'DELETE /conversations/{id}': {
    tag: 'Conversations',
    summary: 'Delete a conversation and everything in it',
    description: 'Sockets of its own path close with 4404, and answers being written stop.',
    parameters: ID,
    answers: { 204: { description: 'It was deleted' } },
    failures: ['conversation_not_found'],
  },
  'GET /conversations/{id}/messages': {
    tag: 'Conversations',
    summary: 'Read messages',
    description: 'Without `before_seq` and `after_seq`: the newest page. Oldest first within a page.',
    parameters: {
      ...ID,
      before_seq: numberParameter(0),
      after_seq: numberParameter(0),
      limit: numberParameter(1, 200, 50),
    },
    answers: { 200: { description: 'A page', schema: messagePage } },
    failures: ['conversation_not_found'],
  },
  'GET /conversations/{id}/events': {
    tag: 'Conversations',
    summary: 'Read the log',
    description: 'The durable frames, as sockets receive them.',
    parameters: {
      ...ID,
      after_seq: numberParameter(0, undefined, 0),
      limit: numberParameter(1, 1000, 200),
    },
    answers: { 200: { description: 'A page, oldest first', schema: eventPage } },
    failures: ['conversation_not_found'],
  },
  'POST /conversations/{id}/messages': {
    tag: 'Conversations',
    summary: 'Send a message',
    description:
      'The same as `message.send` on a socket. Sending the same `client_message_id` and content again returns the ' +
      'first response with `duplicate: true`.',
    parameters: ID,
    answers: { 202: { description: 'Stored, and an answer is queued', schema: acceptedMessage } },
    failures: ['conversation_not_found', 'idempotency_conflict', 'run_busy'],
  },
  'POST /conversations/{id}/runs/{run_id}/cancel': {
    tag: 'Conversations',
    summary: 'Stop an answer',
    parameters: { ...ID, run_id: UUID_PARAMETER },
    answers: { 202: { description: 'It is being stopped; `run.cancelled` follows when it has stopped' } },
    failures: ['conversation_not_found', 'run_not_found'],
  },
};
