import { Injectable } from '@nestjs/common';
import type { UserContext } from '../identity/user-context.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { SessionService } from '../session/session.service.js';
import { requireUncommonPassword } from './common-passwords.js';
import { type PasswordAttempt, PasswordService } from './password.service.js';
import { hashPassword } from './password.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';
import { UserStore } from './user.store.js';

/** Changes that users make to their own account; each also ends their other sessions. */
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
   * Replaces a user's password and ends the user's other sessions: whoever knew the old password is signed out.
   * @param current the current password, and the device that sent it.
   * @throws {AppError} `validation_failed` for a common password; `credentials_invalid` for a wrong current one;
   * `rate_limited` by the same limits as sign-ins.
   */
  async changePassword(user: UserContext, current: PasswordAttempt, next: string): Promise<void> {
    requireUncommonPassword(next);
    // Replaces only the hash that was checked: of two changes at once, the second finds another hash and fails.
    await this.authentication.confirmPassword(user, current, async ({ passwordHash }) =>
      this.users.replacePassword(user.userId, passwordHash, await hashPassword(next)),
    );
    this.audit.record('user.password_changed', user.userId, { session_id: user.sessionId });
    await this.passwords.rememberOnly(current);
    await this.sessions.endAll(user.userId, 'password_changed', user.sessionId);
  }
}
