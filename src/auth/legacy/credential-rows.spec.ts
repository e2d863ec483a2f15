import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { CREDENTIAL_ROWS } from './credential-rows.js';

const found = (headers: IncomingHttpHeaders, query = '') =>
  CREDENTIAL_ROWS.flatMap((row) => {
    const value = row.find({ headers, query: new URLSearchParams(query), conversationId: undefined });
    return value === undefined ? [] : [[row.method, value]];
  });

describe('legacy credential rows', () => {
  it('find no credential in an empty request', () => expect(found({})).toEqual([]));

  it('find the token of a Bearer scheme, and no credential of another scheme', () => {
    expect(found({ authorization: 'bearer a' })).toEqual([['authorization_header', 'a']]);
    for (const authorization of ['Basic dTpw', 'Negotiate YII=', 'a', ''])
      expect(found({ authorization })).toEqual([]);
  });

  it('join a credential that was sent twice into an invalid token', () => {
    expect(found({ 'x-auth-token': ['a', 'b'] })).toEqual([['authorization_header', 'a, b']]);
    expect(found({ cookie: 'access_token=a; access_token=b' })).toEqual([['cookie', 'a b']]);
  });

  it('match the full name of a cookie, and remove its quotes', () => {
    expect(found({ cookie: 'xaccess_token=a; access_token="b"; session_id_=c' })).toEqual([['cookie', 'b']]);
  });
});
