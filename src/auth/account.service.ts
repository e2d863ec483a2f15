import { Injectable } from '@nestjs/common';
import type { UserContext } from '../identity/user-context.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { SessionService } from '../session/session.service.js';
import { requireUncommonPassword } from './common-passwords.js';
import { type PasswordAttempt, PasswordService } from './password.service.js';
import { hashPassword } from './password.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';
import { UserStore } from './user.store.js';

/** What users change of their own account, and with it the sessions that were opened before. */
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
}
