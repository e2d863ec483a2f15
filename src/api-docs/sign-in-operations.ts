import { TOKEN_CODES } from '../../protocol/errors.js';
import { type Operations, UUID_PARAMETER } from './operation.js';
import { me, newUser, ownSessions, signIn } from './resource-schemas.js';

const NEVER_STORED = { 'Cache-Control': '`no-store`' };

export const SIGN_IN_OPERATIONS: Operations = {
  'POST /auth/register': {
    tag: 'Sign-in',
    summary: 'Make an account',
    description: 'While the operator has set `REGISTRATION=open`.',
    answers: { 201: { description: 'The account is there: sign in next', schema: newUser } },
    failures: ['registration_closed', 'email_taken'],
  },
  'POST /auth/login': {
    tag: 'Sign-in',
    summary: 'Open a session',
    description: 'An unknown address and a wrong password get the same response after the same time.',
    answers: { 200: { description: 'The session is open', schema: signIn, headers: NEVER_STORED } },
    failures: ['credentials_invalid', 'user_disabled'],
  },
  'POST /auth/refresh': {
    tag: 'Sign-in',
    summary: 'Exchange a refresh token for the next pair of tokens',
    description: 'Each refresh token is valid once. Using one a second time ends the session.',
    answers: {
      200: {
        description: 'The session continues with the new tokens',
        schema: signIn,
        headers: NEVER_STORED,
      },
    },
    failures: [
      'token_malformed',
      'token_invalid',
      'refresh_reused',
      'session_revoked',
      'session_expired',
      'user_disabled',
    ],
  },
  'POST /auth/exchange': {
    tag: 'Sign-in',
    summary: 'Open a session with a token of an old format',
    description:
      'Only while `legacy_token_formats` is on; the `Sunset` header says until when. Limited as a sign-in.',
    answers: { 200: { description: 'The session is open', schema: signIn, headers: NEVER_STORED } },
    failures: ['auth_method_disabled', ...TOKEN_CODES.filter((code) => code !== 'token_missing')],
  },
  'POST /auth/logout': {
    tag: 'Sign-in',
    summary: 'End the session',
    description:
      'Its sockets close with 4410 and its tickets are revoked. Answers being written continue and are stored.',
    answers: { 204: { description: 'The session has ended' } },
  },
  'GET /auth/me': {
    tag: 'Sign-in',
    summary: 'Check whether a token is valid, and whose it is',
    answers: { 200: { description: 'The token is valid', schema: me } },
  },
  'POST /auth/password': {
    tag: 'Sign-in',
    summary: 'Change your password',
    description: 'Ends all other sessions. Counted together with sign-ins.',
    answers: { 204: { description: 'It was changed, and this session stays open' } },
    failures: ['credentials_invalid'],
  },
  'GET /auth/sessions': {
    tag: 'Sign-in',
    summary: 'List your sessions, most recently used first',
    answers: { 200: { description: 'The open sessions', schema: ownSessions } },
  },
  'DELETE /auth/sessions': {
    tag: 'Sign-in',
    summary: 'End all your other sessions',
    answers: { 204: { description: 'Only this session is left' } },
  },
  'DELETE /auth/sessions/{id}': {
    tag: 'Sign-in',
    summary: 'End one of your sessions',
    parameters: { id: UUID_PARAMETER },
    answers: { 204: { description: 'It has ended, and its sockets close with 4410' } },
    failures: ['not_found'],
  },
};
