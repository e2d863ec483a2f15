import { Injectable } from '@nestjs/common';
import type { Role, User } from '../../protocol/resources.js';
import { AppError } from '../errors/app-error.js';
import type { UserContext } from '../identity/user-context.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { SessionService } from '../session/session.service.js';
import { requireUncommonPassword } from './common-passwords.js';
import { type PasswordAttempt, PasswordService } from './password.service.js';
import { hashPassword } from './password.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';
import { toUser } from './user.entity.js';
import { UserStore } from './user.store.js';

export interface AccountChange {
  role?: Role | undefined;
  disabled?: boolean | undefined;
}

/** What changes an account, and with it the sessions that were opened before. */
@Injectable()
export class AccountService {
  constructor(
    private readonly users: UserStore,
    private readonly sessions: SessionService,
    private readonly authentication: UnifiedAuthenticationService,
    private readonly passwords: PasswordService,
    private readonly audit: AuditLogService,
  ) {}

  /**
   * Gives a user another password. Every other session ends: whoever knew the old password is out.
   * @param current the password that is to be replaced, and where it came from.
   * @throws {AppError} `validation_failed` for a common password; `credentials_invalid` for a wrong current one;
   * `rate_limited` together with sign-ins.
   */
  async changePassword(user: UserContext, current: PasswordAttempt, next: string): Promise<void> {
    requireUncommonPassword(next);
    // Only from the password that was proved: of two changes at once the second has proved nothing.
    await this.authentication.confirmPassword(user, current, async ({ passwordHash }) =>
      this.users.replacePassword(user.userId, passwordHash, await hashPassword(next)),
    );
    this.audit.record('user.password_changed', user.userId, { session_id: user.sessionId });
    await this.passwords.rememberOnly(current);
    await this.sessions.endAll(user.userId, 'password_changed', user.sessionId);
  }

  /**
   * Changes role and state of an account. A disabled user's sessions end; with another role they go on, and their sockets
   * come back with it. The row is written first: a sign-in that is under way looks at it once more at its end.
   * @throws {AppError} `not_found`; `validation_failed` for an administrator who would shut himself out.
   */
  async change(actor: UserContext, userId: string, { role, disabled }: AccountChange): Promise<User> {
    if (userId === actor.userId && (disabled === true || role === 'user')) {
      throw new AppError('validation_failed', {
        detail: 'an administrator cannot disable or demote himself',
      });
    }
    const user = await this.users.change(userId, { role, disabled });
    if (user === undefined) throw noSuchUser();
    this.audit.record('user.changed', userId, { by: actor.userId, role, disabled });
    if (disabled === true) await this.sessions.endAll(userId, 'user_disabled');
    else if (role !== undefined) await this.sessions.changeRole(userId, role);
    return toUser(user);
  }

  /** Ends every session of a user, who may sign in again. @throws {AppError} `not_found` */
  async revoke(actor: UserContext, userId: string): Promise<void> {
    if ((await this.users.findById(userId)) === undefined) throw noSuchUser();
    this.audit.record('user.revoked', userId, { by: actor.userId });
    await this.sessions.endAll(userId, 'admin');
  }
}

function noSuchUser(): AppError {
  return new AppError('not_found', { detail: 'There is no such user' });
}
