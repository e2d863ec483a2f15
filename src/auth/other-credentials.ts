import type { User } from '../../protocol/resources.js';
import type { LegacyMethod } from '../identity/user-context.js';
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

/** What the claims of an old token say: whose it is, and until when. */
export interface OldTokenOwner {
  user: User;
  /** Milliseconds since the epoch. */
  expiresAtMs: number;
}

/** The session that a token of an old format was turned into. */
export interface Conversion {
  userId: string;
  sessionId: string;
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
  abstract takesOldTokens(): boolean;
  /**
   * Whose a token of an old format is; `undefined` for claims of another shape.
   * @throws {AppError} `token_invalid`, `user_disabled`, `dependency_unavailable`.
   */
  abstract ownerOf(payload: unknown): Promise<OldTokenOwner | undefined>;
  abstract conversionOf(token: string): Promise<Conversion | undefined>;
  abstract rememberConversion(token: string, conversion: Conversion, expiresAtMs: number): Promise<void>;
  /** Counts a way in that was used. */
  abstract count(method: LegacyMethod | 'token_format', headers: UpgradeRequest['headers']): void;
  /** What an answer to an old way in says about its end. */
  abstract readonly answerHeaders: Readonly<Record<string, string>>;
}
