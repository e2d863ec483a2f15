import { Injectable } from '@nestjs/common';
import { toAppError } from '../errors/problem.js';
import { LimitReportService } from '../observability/limit-report.service.js';
import type { LimitState } from '../redis/rate-limiter.service.js';
import type { Device } from './known-devices.store.js';
import { LoginLimitService } from './login-limit.service.js';
import { isPasswordRight } from './password.js';
import { normalPassword } from '../identity/typed-text.js';
import type { UserEntity } from './user.entity.js';
import { UserStore } from './user.store.js';

/** A password, and the account that it is claimed for. */
export interface PasswordAttempt {
  /** As `normalEmail` returns it. */
  email: string;
  /** As it was typed. */
  password: string;
  device: Device;
  /** Receives the state of the limit, whatever the decision. */
  onLimit: (state: LimitState) => void;
}

/** Result of a password check. It contains the account, if there is one, even if the password is wrong. */
export interface CheckedPassword {
  account: UserEntity | undefined;
  isRight: boolean;
}

/** Compares passwords. `UnifiedAuthenticationService` decides what follows. */
@Injectable()
export class PasswordService {
  constructor(
    private readonly users: UserStore,
    private readonly limit: LoginLimitService,
    private readonly report: LimitReportService,
  ) {}

  /**
   * Counts the attempt, then compares. An unknown account takes the same time.
   * @throws {AppError} `rate_limited`, `dependency_unavailable`.
   */
  async check({ email, password, device, onLimit }: PasswordAttempt): Promise<CheckedPassword> {
    onLimit(await this.limit.take(email, device));
    const account = await this.users.findByEmail(email);
    const isRight = await this.compare(account?.passwordHash, formsOf(password));
    if (!isRight) await this.limit.countFailure(email, device);
    return { account, isRight };
  }

  /** Why a check is no longer valid: the account was disabled, or its role or password changed in the meantime. */
  async changeSince(checked: UserEntity): Promise<'user_disabled' | 'credentials_invalid' | undefined> {
    const now = await this.users.findById(checked.id);
    if (now?.disabledAt instanceof Date) return 'user_disabled';
    const isSame = now?.role === checked.role && now.passwordHash === checked.passwordHash;
    return isSame ? undefined : 'credentials_invalid';
  }

  /** Remembers where a right password came from. */
  async remember({ email, device }: PasswordAttempt): Promise<void> {
    await this.limit.remember(email, device);
  }

  /** As `remember`, but also forgets every other device, because the password has changed. */
  async rememberOnly({ email, device }: PasswordAttempt): Promise<void> {
    await this.limit.rememberOnly(email, device);
  }

  private async compare(passwordHash: string | undefined, forms: string[]): Promise<boolean> {
    try {
      return await isPasswordRight(passwordHash, forms);
    } catch (error) {
      if (toAppError(error).code === 'rate_limited') this.report.counted('hashes');
      throw error;
    }
  }
}

/** The forms that may have been hashed: earlier builds hashed the password as it was typed. */
function formsOf(typed: string): string[] {
  return [...new Set([normalPassword(typed), typed])];
}
