import type { LegacyMethod } from '../identity/user-context.js';
import type { SessionRecord } from '../session/session-record.js';
import type { UpgradeRequest } from './upgrade-credentials.js';

/** A credential of a legacy method, not a ticket. `UnifiedAuthenticationService` decides whether it is accepted. */
export interface LegacyCredential {
  method: LegacyMethod;
  kind: 'access_token' | 'session_id';
  value: string;
  /** Conversation of the socket: from the path, or from the first message. */
  conversationId: string | undefined;
  /** The user id that the client claims: compared with the credential, never trusted. */
  claimedUserId: string | undefined;
}

/** A live session, and how long the credential may be used for it. */
export interface FoundSession {
  session: SessionRecord;
  /** Milliseconds since the epoch. */
  expiresAtMs: number;
}

/**
 * The legacy methods, as `UnifiedAuthenticationService` calls them. `src/auth/legacy` implements them and registers
 * itself with `admitLegacy`; without it a credential that is not a ticket is refused.
 */
export abstract class LegacyWays {
  /** Response headers that announce the end of the legacy methods. */
  abstract readonly answerHeaders: Readonly<Record<string, string>>;

  /**
   * The credential of an upgrade without a ticket, or `undefined` if there is none.
   * @throws {AppError} `auth_method_disabled`, `multiple_credentials`; `origin_not_allowed` for a cookie without an
   * origin; `frame_invalid`, `token_missing`, `conversation_not_found` for a first message.
   */
  abstract find(request: UpgradeRequest): LegacyCredential | undefined;

  /**
   * The session of a session id or of a token in an old format; `undefined` for any other token.
   * @param verify verifies the signature of the token and returns its claims.
   * @throws {AppError} `token_malformed`, `token_invalid`, `user_disabled`, as `SessionService.touch`, and what `verify`
   * throws.
   */
  abstract sessionOf(credential: LegacyCredential, verify: () => unknown): Promise<FoundSession | undefined>;

  /**
   * Checks that this user may still use this method.
   * @throws {AppError} `auth_method_disabled` for a user who must use tickets; `forbidden`, audited, for a client that
   * claims to be another user.
   */
  abstract requireAllowed(userId: string, credential: LegacyCredential): void;

  /** Counts one use of a legacy method. */
  abstract count(method: LegacyMethod, headers: UpgradeRequest['headers']): void;
}
