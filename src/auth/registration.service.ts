import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { User } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { toAppError } from '../errors/problem.js';
import { LimitReportService } from '../observability/limit-report.service.js';
import { type LimitState, RateLimiterService } from '../redis/rate-limiter.service.js';
import { requireUncommonPassword } from './common-passwords.js';
import { accountDigest } from './known-devices.store.js';
import { hashPassword } from './password.js';
import { toUser } from './user.entity.js';
import { UserStore } from './user.store.js';

export interface Registration {
  /** As `normalEmail` returns it. */
  email: string;
  password: string;
  displayName: string | undefined;
  /** Network address of the client. */
  address: string;
  /** Receives the state of the address's limit, whatever the outcome. */
  onLimit: (state: LimitState) => void;
}

/** Registers new accounts, if the operator allows it. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly config: Config,
    private readonly users: UserStore,
    private readonly rateLimiter: RateLimiterService,
    private readonly report: LimitReportService,
  ) {}

  /**
   * @throws {AppError} `registration_closed`; `validation_failed` for a common password; `email_taken`; `rate_limited`
   * by network address and by e-mail address.
   */
  async register(registration: Registration): Promise<User> {
    const { email, password, displayName, address, onLimit } = registration;
    if (this.config.registration !== 'open') throw new AppError('registration_closed');
    onLimit(await this.rateLimiter.take('registrations', address));
    await this.rateLimiter.take('registrations_of_email', accountDigest(email));
    requireUncommonPassword(password);
    const user = {
      id: randomUUID(),
      email,
      displayName: displayName ?? email.slice(0, email.indexOf('@')),
      role: 'user' as const,
      passwordHash: await this.hash(password, address),
    };
    if (!(await this.users.create(user))) {
      throw new AppError('email_taken', { detail: 'this address has an account: sign in' });
    }
    return toUser(user);
  }

  private async hash(password: string, address: string): Promise<string> {
    try {
      return await hashPassword(password);
    } catch (error) {
      const refusal = toAppError(error);
      if (refusal.code === 'rate_limited') refusal.traceId = this.report.refused('hashes', address);
      throw refusal;
    }
  }
}
