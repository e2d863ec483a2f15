import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { findTicket } from './upgrade-credentials.js';

const find = (query: string, headers: IncomingHttpHeaders = {}) =>
  findTicket({ headers, query: new URLSearchParams(query), conversationId: undefined });
const codeOf = (query: string, headers: IncomingHttpHeaders = {}) => {
  try {
    find(query, headers);
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'found';
};

describe('findTicket', () => {
  it('returns the ticket of the query, or undefined', () => {
    expect(find('ticket=abc')).toBe('abc');
    expect(find('')).toBeUndefined();
    expect(find('client_id=1')).toBeUndefined();
  });

  it('ignores subprotocols and cookies that are not credentials', () => {
    const headers = { 'sec-websocket-protocol': 'chat.v1, bearers, my.bearer', cookie: 'theme=dark' };
    expect(find('ticket=abc', headers)).toBe('abc');
  });

  it.each([
    'Basic dTpw',
    'Digest username="u"',
    'Negotiate YII=',
    'ApiKey k',
    'dTpw',
    'Bearer',
    'Bearerx a',
    '',
  ])('ignores an Authorization header of another scheme: %j', (authorization) =>
    expect(find('ticket=abc', { authorization })).toBe('abc'),
  );

  const others: [string, IncomingHttpHeaders][] = [
    ['token=a', {}],
    ['session_token=a', {}],
    ['', { authorization: 'Bearer a' }],
    ['', { 'x-auth-token': 'a' }],
    ['', { 'sec-websocket-protocol': 'chat.v1, Bearer.a' }],
    ['', { 'sec-websocket-protocol': 'bearer.a' }],
  ];

  it.each(others)('refuses a credential other than a ticket: %s %j', (query, headers) => {
    expect(codeOf(query, headers)).toBe('auth_method_disabled');
  });

  it.each(others)('refuses another credential beside a ticket: %s %j', (query, headers) => {
    expect(codeOf(`ticket=b&${query}`, headers)).toBe('multiple_credentials');
  });

  it('refuses two tickets, even if they are the same', () => {
    expect(codeOf('ticket=a&ticket=a')).toBe('multiple_credentials');
  });
});
