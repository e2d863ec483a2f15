import { Injectable } from '@nestjs/common';
import type { Role } from '../../protocol/resources.js';
import { DatabaseService } from '../database/database.service.js';
import { isUniqueViolation } from '../database/unique-violation.js';
import { UserEntity } from './user.entity.js';

@Injectable()
export class UserStore {
  constructor(private readonly database: DatabaseService) {}

  findByEmail(email: string): Promise<UserEntity | undefined> {
    return this.database.run(
      async (dataSource) => (await dataSource.getRepository(UserEntity).findOneBy({ email })) ?? undefined,
    );
  }

  findById(id: string): Promise<UserEntity | undefined> {
    return this.database.run(
      async (dataSource) => (await dataSource.getRepository(UserEntity).findOneBy({ id })) ?? undefined,
    );
  }

  /** Stores a new account. False when the address has one already. */
  async create(
    user: Pick<UserEntity, 'id' | 'email' | 'displayName' | 'role' | 'passwordHash'>,
  ): Promise<boolean> {
    try {
      await this.database.run((dataSource) => dataSource.getRepository(UserEntity).insert(user));
      return true;
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
  }

  /** Stores another password. False when the one that it replaces is no longer the account's. */
  async replacePassword(id: string, from: string, to: string): Promise<boolean> {
    const { affected } = await this.database.run((dataSource) =>
      dataSource.getRepository(UserEntity).update({ id, passwordHash: from }, { passwordHash: to }),
    );
    return affected === 1;
  }

  /** Changes what is given of an account. @returns the account, or `undefined` when there is none. */
  async change(
    id: string,
    { role, disabled }: { role?: Role | undefined; disabled?: boolean | undefined },
  ): Promise<UserEntity | undefined> {
    const change = {
      ...(role === undefined ? {} : { role }),
      ...(disabled === undefined ? {} : { disabledAt: disabled ? new Date() : null }),
    };
    await this.database.run((dataSource) => dataSource.getRepository(UserEntity).update({ id }, change));
    return this.findById(id);
  }
}
