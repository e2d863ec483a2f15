import type { Role, User } from '../../protocol/resources.js';

/** How a credential reached us. The only value in a default configuration is `ticket` for sockets and `bearer` for HTTP. */
export type AuthMethod = 'bearer' | 'ticket' | LegacyMethod;

/** The old ways in, each off unless its flag is on. */
export type LegacyMethod =
  'query_token' | 'subprotocol' | 'authorization_header' | 'cookie' | 'session_id' | 'first_message';

/** Who is behind a request or a socket: made by `UnifiedAuthenticationService` alone. */
export interface UserContext {
  readonly userId: string;
  readonly email: string;
  readonly role: Role;
  readonly displayName: string;
  readonly sessionId: string;
  /** End of the access token, in milliseconds since the epoch. */
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
