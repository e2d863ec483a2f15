import type { Role, User } from '../../protocol/resources.js';

/** How a credential was sent. In a default configuration this is always `ticket` for sockets and `bearer` for HTTP. */
export type AuthMethod = 'bearer' | 'ticket' | LegacyMethod;

/** The legacy methods, each off unless its flag is on. */
export type LegacyMethod =
  'query_token' | 'subprotocol' | 'authorization_header' | 'cookie' | 'session_id' | 'first_message';

/** The user of a request or a socket; created only by `UnifiedAuthenticationService`. */
export interface UserContext {
  readonly userId: string;
  readonly email: string;
  readonly role: Role;
  readonly displayName: string;
  readonly sessionId: string;
  /** Expiry of the access token, in milliseconds since the epoch. */
  readonly expiresAtMs: number;
  readonly method: AuthMethod;
}

/** The user as clients see it. */
export function toUser(context: UserContext): User {
  return {
    id: context.userId,
    email: context.email,
    role: context.role,
    display_name: context.displayName,
  };
}
