import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { CREDENTIAL_ROWS } from './credential-rows.js';

const found = (headers: IncomingHttpHeaders, query = '') =>
  CREDENTIAL_ROWS.flatMap((row) => {
    const value = row.find({ headers, query: new URLSearchParams(query), conversationId: undefined });
    return value === undefined ? [] : [[row.method, value]];
  });

describe('the old ways to bring a credential', () => {
  it('find nothing where there is nothing', () => expect(found({})).toEqual([]));

  it('find one that came twice as something that no token is', () => {
    expect(found({ 'x-auth-token': ['a', 'b'] })).toEqual([['authorization_header', 'a, b']]);
    expect(found({ cookie: 'access_token=a; access_token=b' })).toEqual([['cookie', 'a b']]);
  });

  it('take a cookie by its whole name, and out of its quotes', () => {
    expect(found({ cookie: 'xaccess_token=a; access_token="b"; session_id_=c' })).toEqual([['cookie', 'b']]);
  });
});
