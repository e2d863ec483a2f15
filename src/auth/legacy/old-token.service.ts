import { Injectable } from '@nestjs/common';
import { isUuid } from '../../../protocol/messages.js';
import type { User } from '../../../protocol/resources.js';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import { normalEmail } from '../../identity/typed-text.js';
import { type OpenedSession, SessionService } from '../../session/session.service.js';
import { CLOCK_TOLERANCE_SECONDS } from '../access-token.js';
import type { FoundSession } from '../legacy-ways.js';
import { toUser, type UserEntity } from '../user.entity.js';
import { UserStore } from '../user.store.js';
import { ConversionStore } from './conversion.store.js';
import { type OldClaims, readOldClaims } from './old-claims.js';

/** A token of an old format with a verified signature. */
export interface OldToken {
  token: string;
  user: User;
  /** Milliseconds since the epoch. */
  expiresAtMs: number;
}

/** Converts tokens of the old formats, which name no session, into sessions. */
@Injectable()
export class OldTokenService {
  constructor(
    private readonly config: Config,
    private readonly users: UserStore,
    private readonly sessions: SessionService,
    private readonly conversions: ConversionStore,
  ) {}

  /**
   * @param payload the claims of the token; its signature was verified.
   * @returns `undefined` for claims of another shape: the token is not in an old format.
   * @throws {AppError} `token_invalid` if it names no user, `user_disabled`.
   */
  async read(token: string, payload: unknown): Promise<OldToken | undefined> {
    const claims = readOldClaims(payload, this.config.jwt);
    if (claims === undefined) return undefined;
    const user = await this.findUser(claims);
    if (user === undefined)
      throw new AppError('token_invalid', { detail: 'the token names no user of ours' });
    if (user.disabledAt !== null) throw new AppError('user_disabled');
    return { token, user: toUser(user), expiresAtMs: claims.exp * 1000 };
  }

  /** The one session of a token, opened at its first use. @throws {AppError} as `SessionService.touch` */
  async sessionOf(old: OldToken): Promise<FoundSession> {
    const known = await this.conversions.find(old.token);
    const session =
      known === undefined
        ? (await this.open(old, '')).session
        : await this.sessions.touch(known.userId, known.sessionId);
    return { session, expiresAtMs: old.expiresAtMs };
  }

  /**
   * A new session for a token, unless its earlier session was ended: ending that session also ends the use of the
   * token.
   * @throws {AppError} as `SessionService.check`
   */
  async exchange(old: OldToken, userAgent: string): Promise<OpenedSession> {
    const known = await this.conversions.find(old.token);
    if (known !== undefined) await this.sessions.check(known.userId, known.sessionId);
    return this.open(old, userAgent);
  }

  private async open({ token, user, expiresAtMs }: OldToken, userAgent: string): Promise<OpenedSession> {
    const opened = await this.sessions.open(user, userAgent);
    const conversion = { userId: user.id, sessionId: opened.session.session_id };
    // Kept for as long as the token can be used, including the clock tolerance.
    await this.conversions.remember(token, conversion, expiresAtMs + CLOCK_TOLERANCE_SECONDS * 1000);
    return opened;
  }

  /** Finds the user by e-mail address if the token has one, which must match the subject; otherwise by subject. */
  private async findUser({ sub, email }: OldClaims): Promise<UserEntity | undefined> {
    if (email === undefined && isUuid(sub)) return this.users.findById(sub.toLowerCase());
    const user = await this.users.findByEmail(normalEmail(email ?? sub));
    return isUuid(sub) && user?.id !== sub.toLowerCase() ? undefined : user;
  }
}
