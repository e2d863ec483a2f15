import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Role, User } from '../../protocol/resources.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { AppError } from '../errors/app-error.js';
import { normalPassword } from '../identity/typed-text.js';
import { SessionService } from '../session/session.service.js';
import { requireUncommonPassword } from './common-passwords.js';
import { hashPassword, requirePasswordLength } from './password.js';
import { type Account, toAccount, toUser } from './user.entity.js';
import { UserStore } from './user.store.js';

export interface AccountChange {
  role?: Role | undefined;
  disabled?: boolean | undefined;
}

const ACCOUNTS_PER_PAGE = 1000;

/**
 * Accounts, as administrators change them: over HTTP, and at the shell of a server. In the audit log `by` is the id of
 * the administrator, or the name of the program.
 */
@Injectable()
export class AdminAccountService {
  constructor(
    private readonly users: UserStore,
    private readonly sessions: SessionService,
    private readonly audit: AuditLogService,
  ) {}

  /**
   * Creates an account with the role `admin`.
   * @param email as `normalEmail` gives it.
   * @throws {AppError} `validation_failed` for a password that registration would refuse; `email_taken`.
   */
  async createAdmin(by: string, email: string, typedPassword: string): Promise<User> {
    const password = normalPassword(typedPassword);
    requirePasswordLength(password);
    requireUncommonPassword(password);
    const user = {
      id: randomUUID(),
      email,
      displayName: email.slice(0, email.indexOf('@')),
      role: 'admin' as const,
      passwordHash: await hashPassword(password),
    };
    if (!(await this.users.create(user))) throw emailTaken(email);
    this.audit.record('user.created', user.id, { by, role: user.role });
    return toUser(user);
  }

  /** @throws {AppError} `email_taken` when the address has an account. */
  async requireFree(email: string): Promise<void> {
    if ((await this.users.findByEmail(email)) !== undefined) throw emailTaken(email);
  }

  /** @throws {AppError} `not_found` */
  async idOf(email: string): Promise<string> {
    const user = await this.users.findByEmail(email);
    if (user === undefined)
      throw new AppError('not_found', { detail: `no account has the address ${email}` });
    return user.id;
  }

  /** Every account, by address. */
  async list(): Promise<Account[]> {
    const accounts: Account[] = [];
    for (;;) {
      const page = await this.users.page(accounts.at(-1)?.email, ACCOUNTS_PER_PAGE);
      accounts.push(...page.map(toAccount));
      if (page.length < ACCOUNTS_PER_PAGE) return accounts;
    }
  }

  /**
   * Changes role and state of an account. A disabled user's sessions end; with another role they go on, and their sockets
   * come back with it. The row is written first: a sign-in that is under way looks at it once more at its end.
   * @throws {AppError} `not_found`; `validation_failed` for an administrator who would shut himself out, and for the last
   * enabled one.
   */
  async change(by: string, userId: string, { role, disabled }: AccountChange): Promise<User> {
    if (userId === by && (disabled === true || role === 'user')) {
      throw new AppError('validation_failed', {
        detail: 'an administrator cannot disable or demote himself',
      });
    }
    const user = await this.users.change(userId, { role, disabled });
    if (user === 'last_admin') {
      throw new AppError('validation_failed', {
        detail: 'the last enabled administrator cannot be disabled or demoted',
      });
    }
    if (user === undefined) throw noSuchUser();
    this.audit.record('user.changed', userId, { by, role, disabled });
    if (disabled === true) await this.sessions.endAll(userId, 'user_disabled');
    else if (role !== undefined) await this.sessions.changeRole(userId, role);
    return toUser(user);
  }

  /** Ends every session of a user, who may sign in again. @throws {AppError} `not_found` */
  async revoke(by: string, userId: string): Promise<void> {
    if ((await this.users.findById(userId)) === undefined) throw noSuchUser();
    this.audit.record('user.revoked', userId, { by });
    await this.sessions.endAll(userId, 'admin');
  }
}

function emailTaken(email: string): AppError {
  return new AppError('email_taken', { detail: `${email} has an account already` });
}

function noSuchUser(): AppError {
  return new AppError('not_found', { detail: 'There is no such user' });
}
