import type { LegacyMethod } from '../identity/user-context.js';
import type { SessionRecord } from '../session/session-record.js';
import type { UpgradeRequest } from './upgrade-credentials.js';

/** A credential that is no ticket, as an old way brought it. Whether it lets anybody in is for the one service to decide. */
export interface LegacyCredential {
  method: LegacyMethod;
  kind: 'access_token' | 'session_id';
  value: string;
  /** Where the socket goes: the conversation of the path, or the one that the first message names. */
  conversationId: string | undefined;
  /** What the client says that it is: compared, never believed. */
  claimedUserId: string | undefined;
}

/** A session that lives, and how long a credential may be used for it. */
export interface FoundSession {
  session: SessionRecord;
  /** Milliseconds since the epoch. */
  expiresAtMs: number;
}

/**
 * The old ways in, as `UnifiedAuthenticationService` calls them. `src/auth/legacy` implements them and hands itself in with
 * `admitLegacy`; without it a credential that is not a ticket is refused.
 */
export abstract class LegacyWays {
  /** What an answer to an old way says about its end. */
  abstract readonly answerHeaders: Readonly<Record<string, string>>;

  /**
   * The credential of an upgrade that brings no ticket, or `undefined` for none.
   * @throws {AppError} `auth_method_disabled`, `multiple_credentials`; `origin_not_allowed` for a cookie without an origin;
   * `frame_invalid`, `token_missing`, `conversation_not_found` for what a first message says.
   */
  abstract find(request: UpgradeRequest): LegacyCredential | undefined;

  /**
   * The session behind a session id or a token of an old format; `undefined` for a token that is neither.
   * @param verify returns the claims of the token, once it has verified the signature.
   * @throws {AppError} `token_malformed`, `token_invalid`, `user_disabled`, as `SessionService.touch`, and what `verify`
   * throws.
   */
  abstract sessionOf(credential: LegacyCredential, verify: () => unknown): Promise<FoundSession | undefined>;

  /**
   * Whether this user may still come in this way.
   * @throws {AppError} `auth_method_disabled` for a user of whom tickets are required; `forbidden`, audited, for a client
   * that says it is somebody else.
   */
  abstract requireAllowed(userId: string, credential: LegacyCredential): void;

  /** Counts a way in that was used. */
  abstract count(method: LegacyMethod, headers: UpgradeRequest['headers']): void;
}
