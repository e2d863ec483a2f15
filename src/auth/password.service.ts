import { Injectable } from '@nestjs/common';
import { RateLimiter } from '../redis/rate-limiter.js';
import { isPasswordRight } from './password.js';
import type { UserEntity } from './user.entity.js';
import { UserStore } from './user.store.js';

/** A password, and the account that it is said to be of. */
export interface PasswordAttempt {
  email: string;
  password: string;
  /** Network address of the client. */
  address: string;
  userAgent: string;
}

/** What a password turned out to be. The account is there for a wrong one too, if there is one. */
export interface CheckedPassword {
  account: UserEntity | undefined;
  isRight: boolean;
}

/** Compares passwords. What follows from it is for `UnifiedAuthenticationService` to decide. */
@Injectable()
export class PasswordService {
  constructor(
    private readonly users: UserStore,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /**
   * Counts the attempt, then compares. An unknown account costs the same time.
   * @throws {AppError} `rate_limited`, `dependency_unavailable`.
   */
  async check({ email, password }: PasswordAttempt): Promise<CheckedPassword> {
    const address = email.toLowerCase();
    await this.rateLimiter.take('logins', address);
    const account = await this.users.findByEmail(address);
    return { account, isRight: await isPasswordRight(account?.passwordHash, password) };
  }

  /** Why a check is worth nothing any more: the account was disabled, or got another role or password meanwhile. */
  async changeSince(checked: UserEntity): Promise<'user_disabled' | 'credentials_invalid' | undefined> {
    const now = await this.users.findById(checked.id);
    if (now?.disabledAt instanceof Date) return 'user_disabled';
    const isSame = now?.role === checked.role && now.passwordHash === checked.passwordHash;
    return isSame ? undefined : 'credentials_invalid';
  }
}
