import type { FlagName } from '../../config/flags.js';
import type { LegacyMethod } from '../../identity/user-context.js';
import type { LegacyCredential } from '../legacy-ways.js';
import { findBearer, type UpgradeRequest } from '../upgrade-credentials.js';

export interface CredentialRow {
  method: LegacyMethod;
  flag: FlagName;
  kind: LegacyCredential['kind'];
  isCookie: boolean;
  find: (request: UpgradeRequest) => string | undefined;
}

/** The legacy methods of sending a credential with an upgrade. A row finds it and does not verify it. */
export const CREDENTIAL_ROWS: readonly CredentialRow[] = [
  row('query_token', 'legacy_query_token', 'access_token', ({ query }) => query.get('token') ?? undefined),
  row('subprotocol', 'legacy_subprotocol', 'access_token', ({ headers }) =>
    bearerSubprotocol(headers['sec-websocket-protocol']),
  ),
  row('authorization_header', 'legacy_authorization_header', 'access_token', ({ headers }) =>
    findBearer(headers.authorization),
  ),
  row('authorization_header', 'legacy_authorization_header', 'access_token', ({ headers }) =>
    oneOf(headers['x-auth-token']),
  ),
  row(
    'session_id',
    'legacy_session_id',
    'session_id',
    ({ query }) => query.get('session_token') ?? undefined,
  ),
  cookieRow('cookie', 'legacy_cookie', 'access_token', 'access_token'),
  cookieRow('session_id', 'legacy_session_id', 'session_id', 'session_id'),
];

function row(
  method: LegacyMethod,
  flag: FlagName,
  kind: CredentialRow['kind'],
  find: CredentialRow['find'],
): CredentialRow {
  return { method, flag, kind, isCookie: false, find };
}

function cookieRow(
  method: LegacyMethod,
  flag: FlagName,
  kind: CredentialRow['kind'],
  name: string,
): CredentialRow {
  return { method, flag, kind, isCookie: true, find: ({ headers }) => cookie(headers.cookie, name) };
}

/** The part after `Bearer.` in `chat.v1, Bearer.<jwt>`. */
function bearerSubprotocol(offered: string | undefined): string | undefined {
  return /(?:^|[,\s])bearer\.([^,\s]*)/i.exec(offered ?? '')?.[1];
}

/** RFC 6265 section 5.4. A name that occurs twice is never valid: the server does not guess which one is meant. */
function cookie(header: string | undefined, name: string): string | undefined {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).replace(/^"(.*)"$/, '$1'));
  return values.length === 0 ? undefined : values.join(' ');
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}
