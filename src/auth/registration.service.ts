import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { User } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { requireUncommonPassword } from './common-passwords.js';
import { hashPassword } from './password.js';
import { toUser } from './user.entity.js';
import { UserStore } from './user.store.js';

export interface Registration {
  email: string;
  password: string;
  displayName: string | undefined;
}

/** Makes accounts for strangers, where the operator lets them in. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly config: Config,
    private readonly users: UserStore,
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
}
