import type { LegacyMethod } from '../identity/user-context.js';
import type { SessionRecord } from '../session/session-record.js';
import type { OpenedSession } from '../session/session.service.js';
import type { UpgradeRequest } from './upgrade-credentials.js';

/** A credential that is no ticket, as it was found. What it is worth is for `UnifiedAuthenticationService` to decide. */
export interface OtherCredential {
  method: LegacyMethod;
  kind: 'access_token' | 'session_id';
  value: string;
  /** Browsers send a cookie whether their page meant it or not: it counts only with an `Origin`. */
  needsOrigin: boolean;
}

/** What a socket that opened without a credential says about itself in its first frame. */
export interface FirstMessage {
  credential: OtherCredential | undefined;
  /** What the client says that it is: compared, never believed. */
  claimedUserId: string | undefined;
  conversationId: string | undefined;
}

/** A session that lives, and until when a credential may be used for it. */
export interface FoundSession {
  session: SessionRecord;
  /** Milliseconds since the epoch. */
  expiresAtMs: number;
}

/**
 * What the old ways in have to say to the one service. Declared here because `src/auth/legacy` provides it and may be
 * deleted: without a provider a credential that is not a ticket is refused.
 */
export abstract class OtherCredentials {
  /** @throws {AppError} `auth_method_disabled` for one that is switched off. */
  abstract find(request: UpgradeRequest): OtherCredential | undefined;
  /** Whether a request without any credential may send it with its first frame. */
  abstract awaitsFirstMessage(request: UpgradeRequest): boolean;
  /** @throws {AppError} `frame_invalid` */
  abstract readFirstMessage(text: string): FirstMessage;
  /** @returns who an old client's greeting says that it is, or `undefined` for what is no greeting. */
  abstract readGreeting(text: string): { claimedUserId: string | undefined } | undefined;
  /** @throws {AppError} `auth_method_disabled` for a user of whom tickets are required. */
  abstract requireAllowed(userId: string): void;
  /** @throws {AppError} `forbidden`, audited, when a client says that it is somebody else. */
  abstract requireSameUser(userId: string, claimedUserId: string | undefined): void;
  /**
   * The session behind a session id or a token of an old format; `undefined` for a token that is neither.
   * @param verify answers the claims of a token, once it has verified its signature.
   * @throws {AppError} `token_malformed`, `token_invalid`, `user_disabled`, as `SessionService.touch`, and what `verify`
   * throws.
   */
  abstract sessionOf(credential: OtherCredential, verify: () => unknown): Promise<FoundSession | undefined>;
  /**
   * A new session for a token of an old format.
   * @param countFor counts the sign-in for the account.
   * @throws {AppError} `auth_method_disabled` while they are off, or as `sessionOf`.
   */
  abstract exchange(
    token: string,
    verify: () => unknown,
    userAgent: string,
    countFor: (email: string) => Promise<unknown>,
  ): Promise<OpenedSession>;
  /** Counts a way in that was used. */
  abstract count(method: LegacyMethod | 'token_format', headers: UpgradeRequest['headers']): void;
  /** What an answer to an old way in says about its end. */
  abstract readonly answerHeaders: Readonly<Record<string, string>>;
}
