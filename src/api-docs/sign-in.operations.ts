import type { Operations } from './operation.js';
import { me, newUser, signIn } from './resource.schemas.js';

const NEVER_STORED = { 'Cache-Control': '`no-store`' };

export const SIGN_IN_OPERATIONS: Operations = {
  'POST /auth/register': {
    tag: 'Sign-in',
    summary: 'Make an account',
    description: 'While the operator has set `REGISTRATION=open`.',
    answers: { 201: { description: 'The account is there: sign in next', schema: newUser } },
    failures: ['registration_closed', { code: 'validation_failed', status: 409 }],
  },
  'POST /auth/login': {
    tag: 'Sign-in',
    summary: 'Open a session',
    description: 'An unknown address and a wrong password get the same answer after the same time.',
    answers: { 200: { description: 'The session is open', schema: signIn, headers: NEVER_STORED } },
    failures: ['credentials_invalid', 'user_disabled'],
  },
  'POST /auth/refresh': {
    tag: 'Sign-in',
    summary: 'Exchange a refresh token for the next pair of tokens',
    description: 'Each refresh token is good once. One that comes a second time ends the session.',
    answers: { 200: { description: 'The same session goes on', schema: signIn, headers: NEVER_STORED } },
    failures: [
      'token_malformed',
      'token_invalid',
      'refresh_reused',
      'session_revoked',
      'session_expired',
      'user_disabled',
    ],
  },
  'POST /auth/logout': {
    tag: 'Sign-in',
    summary: 'End the session',
    description:
      'Its sockets close with 4410 and its tickets are burnt. Answers being written go on, into history.',
    answers: { 204: { description: 'The session is over' } },
  },
  'GET /auth/me': {
    tag: 'Sign-in',
    summary: 'Ask whether a token is good, and whose it is',
    answers: { 200: { description: 'It is good', schema: me } },
  },
};
