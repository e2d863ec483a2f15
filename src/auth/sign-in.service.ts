import { Injectable } from '@nestjs/common';
import type { SignIn, User } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import type { UserContext } from '../identity/user-context.js';
import { redisNow } from '../redis/redis-clock.js';
import type { SessionRecord } from '../session/session-record.js';
import { type OpenedSession, SessionService } from '../session/session.service.js';
import type { PasswordAttempt } from './password.service.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';

/** Issues the tokens of a session after a password or a refresh token was accepted, and ends sessions. */
@Injectable()
export class SignInService {
  constructor(
    private readonly config: Config,
    private readonly sessions: SessionService,
    private readonly authentication: UnifiedAuthenticationService,
  ) {}

  /** Tokens of a new session. @throws {AppError} as `UnifiedAuthenticationService.authenticatePassword` */
  async login(attempt: PasswordAttempt): Promise<SignIn> {
    return this.toSignIn(await this.authentication.authenticatePassword(attempt));
  }

  /** New tokens of the same session. @throws {AppError} as `UnifiedAuthenticationService.rotate` */
  async refresh(refreshToken: string, address: string): Promise<SignIn> {
    return this.toSignIn(await this.authentication.rotate(refreshToken, address));
  }

  logout(user: UserContext): Promise<void> {
    return this.sessions.end(user.userId, user.sessionId, 'logout');
  }

  toSignIn({ session, refreshToken }: OpenedSession): SignIn {
    const user: User = {
      id: session.user_id,
      email: session.email,
      role: session.role,
      display_name: session.display_name,
    };
    const life = this.lifeOf(session);
    return {
      access_token: this.authentication.issueAccessToken(user, session.session_id, life),
      token_type: 'Bearer',
      expires_in: life.exp - life.iat,
      refresh_token: refreshToken,
      session_id: session.session_id,
      user,
    };
  }

  /** No token outlives its session: a client that goes by `expires_in` knows when it has to sign in again. */
  private lifeOf(session: SessionRecord): { iat: number; exp: number } {
    const iat = Math.floor(redisNow() / 1000);
    const end = Math.min(
      iat + this.config.accessTokenTtlSeconds,
      Math.floor(session.absolute_expires_at / 1000),
    );
    return { iat, exp: Math.max(iat + 1, end) };
  }
}
