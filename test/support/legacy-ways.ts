import type { FlagName } from '../../src/config/flags.js';
import { TEST_ORIGIN } from './node.js';
import type { RawUpgrade } from './raw-upgrade.js';
import type { TestUser } from './user.js';

/** A way in that browsers and programs had before tickets. */
export interface Way {
  name: string;
  method: string;
  flag: FlagName;
  dial: (user: TestUser) => RawUpgrade;
}

/** All ways whose credential is part of the upgrade. */
export const WAYS: Way[] = [
  {
    name: '?token=',
    method: 'query_token',
    flag: 'legacy_query_token',
    dial: ({ accessToken }) => ({ path: `/ws?token=${accessToken}` }),
  },
  {
    name: 'a subprotocol',
    method: 'subprotocol',
    flag: 'legacy_subprotocol',
    dial: ({ accessToken }) => ({ headers: { 'Sec-WebSocket-Protocol': `chat.v1, Bearer.${accessToken}` } }),
  },
  {
    name: 'Authorization',
    method: 'authorization_header',
    flag: 'legacy_authorization_header',
    dial: ({ accessToken }) => ({ headers: { Authorization: `Bearer ${accessToken}` } }),
  },
  {
    name: 'x-auth-token',
    method: 'authorization_header',
    flag: 'legacy_authorization_header',
    dial: ({ accessToken }) => ({ headers: { 'X-Auth-Token': accessToken } }),
  },
  {
    name: 'the cookie access_token',
    method: 'cookie',
    flag: 'legacy_cookie',
    dial: ({ accessToken }) => ({
      origin: TEST_ORIGIN,
      headers: { Cookie: `theme=dark; access_token=${accessToken}` },
    }),
  },
  {
    name: '?session_token=',
    method: 'session_id',
    flag: 'legacy_session_id',
    dial: ({ sessionId }) => ({ path: `/ws?session_token=${sessionId}` }),
  },
  {
    name: 'the cookie session_id',
    method: 'session_id',
    flag: 'legacy_session_id',
    dial: ({ sessionId }) => ({ origin: TEST_ORIGIN, headers: { Cookie: `session_id=${sessionId}` } }),
  },
];

/** The setting that holds the default of a flag. */
export const variable = (flag: FlagName) => `FLAG_${flag.toUpperCase()}`;
