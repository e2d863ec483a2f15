import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { SignIn, User } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { toAppError } from '../errors/problem.js';
import type { UserContext } from '../identity/user-context.js';
import { RateLimiter } from '../redis/rate-limiter.js';
import { type OpenedSession, SessionService } from '../session/session.service.js';
import { AuthReport } from './auth-report.js';
import { requireUncommonPassword } from './common-passwords.js';
import { hashPassword, isPasswordRight } from './password.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';
import type { UserEntity } from './user.entity.js';
import { UserStore } from './user.store.js';

export interface Registration {
  email: string;
  password: string;
  displayName: string | undefined;
}

/** Accounts and what leads from a password or a refresh token to a session. */
@Injectable()
export class SignInService {
  constructor(
    private readonly config: Config,
    private readonly users: UserStore,
    private readonly sessions: SessionService,
    private readonly authentication: UnifiedAuthenticationService,
    private readonly rateLimiter: RateLimiter,
    private readonly report: AuthReport,
  ) {}

  /** @throws {AppError} `registration_closed`; `validation_failed` for a common password or an address that is taken. */
  async register({ email, password, displayName }: Registration): Promise<User> {
    if (this.config.registration !== 'open') throw new AppError('registration_closed');
    requireUncommonPassword(password);
    const user = {
      id: randomUUID(),
      email: email.toLowerCase(),
      displayName: displayName ?? email.slice(0, email.indexOf('@')),
      role: 'user' as const,
      passwordHash: await hashPassword(password),
    };
    if (!(await this.users.create(user))) {
      throw new AppError('validation_failed', { detail: '"email" has an account already', status: 409 });
    }
    return toUser(user);
  }

  /**
   * Opens a session for an address and its password. An unknown address costs the same time, and is told the same.
   * @throws {AppError} `credentials_invalid`, `user_disabled`, `rate_limited`, `dependency_unavailable`.
   */
  async login(email: string, password: string, userAgent: string, address: string): Promise<SignIn> {
    const account = email.toLowerCase();
    await this.rateLimiter.take('logins', account);
    const user = await this.users.findByEmail(account);
    const isRight = await isPasswordRight(user?.passwordHash, password);
    if (user === undefined || !isRight)
      throw this.refused('password', new AppError('credentials_invalid'), user?.id, address);
    if (user.disabledAt !== null)
      throw this.refused('password', new AppError('user_disabled'), user.id, address);
    const opened = await this.sessions.open(toUser(user), userAgent);
    await this.requireUnchanged(user, opened);
    this.report.success('password');
    return this.toSignIn(opened);
  }

  /**
   * Exchanges a refresh token for fresh tokens of the same session.
   * @throws {AppError} `token_invalid`, `refresh_reused`, `session_revoked`, `session_expired`.
   */
  async refresh(refreshToken: string, address: string): Promise<SignIn> {
    try {
      const rotated = await this.sessions.rotate(refreshToken);
      this.report.success('refresh');
      return this.toSignIn(rotated);
    } catch (error) {
      throw this.refused('refresh', toAppError(error), undefined, address);
    }
  }

  logout(user: UserContext): Promise<void> {
    return this.sessions.end(user.userId, user.sessionId, 'logout');
  }

  /**
   * An account that was disabled, or got another role or password, while its password was checked: whoever did that has
   * ended the sessions that were there, and could not know of this one.
   */
  private async requireUnchanged(user: UserEntity, { session }: OpenedSession): Promise<void> {
    const now = await this.users.findById(user.id);
    const isSame =
      now?.disabledAt === null && now.role === user.role && now.passwordHash === user.passwordHash;
    if (isSame) return;
    await this.sessions.end(user.id, session.session_id, 'admin');
    const code = now?.disabledAt instanceof Date ? 'user_disabled' : 'credentials_invalid';
    throw this.refused('password', new AppError(code), user.id);
  }

  toSignIn({ session, refreshToken }: OpenedSession): SignIn {
    const user: User = {
      id: session.user_id,
      email: session.email,
      role: session.role,
      display_name: session.display_name,
    };
    return {
      access_token: this.authentication.issueAccessToken(user, session.session_id),
      token_type: 'Bearer',
      expires_in: this.config.accessTokenTtlSeconds,
      refresh_token: refreshToken,
      session_id: session.session_id,
      user,
    };
  }

  private refused(
    path: 'password' | 'refresh',
    error: AppError,
    userId?: string,
    address?: string,
  ): AppError {
    this.report.refusal(path, error, userId, address);
    return error;
  }
}

function toUser(user: Pick<UserEntity, 'id' | 'email' | 'role' | 'displayName'>): User {
  return { id: user.id, email: user.email, role: user.role, display_name: user.displayName };
}
