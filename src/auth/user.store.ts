import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan } from 'typeorm';
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

  /** Stores a new account. Returns false when the address already has one. */
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

  /** Replaces a password hash. Returns false when `from` is no longer the account's hash. */
  async replacePassword(id: string, from: string, to: string): Promise<boolean> {
    const { affected } = await this.database.run((dataSource) =>
      dataSource.getRepository(UserEntity).update({ id, passwordHash: from }, { passwordHash: to }),
    );
    return affected === 1;
  }

  /**
   * Changes the role of an account, or disables or enables it.
   * @returns the account, `undefined` when there is none, or `last_admin` when no enabled administrator would be left
   */
  async change(
    id: string,
    { role, disabled }: { role?: Role | undefined; disabled?: boolean | undefined },
  ): Promise<UserEntity | 'last_admin' | undefined> {
    const change = {
      ...(role === undefined ? {} : { role }),
      ...(disabled === undefined ? {} : { disabledAt: disabled ? new Date() : null }),
    };
    return this.database.transaction(async (manager) => {
      const users = manager.getRepository(UserEntity);
      if (disabled === true || role === 'user') {
        // Locked: of two administrators who demote each other at once, the second is checked after the first.
        const admins = await users.find({
          where: { role: 'admin', disabledAt: IsNull() },
          order: { id: 'ASC' },
          lock: { mode: 'pessimistic_write' },
        });
        if (admins.length === 1 && admins[0]?.id === id) return 'last_admin';
      }
      await users.update({ id }, change);
      return (await users.findOneBy({ id })) ?? undefined;
    });
  }

  /** Accounts in the order of their addresses, from the first after `afterEmail`. */
  page(afterEmail: string | undefined, limit: number): Promise<UserEntity[]> {
    return this.database.run((dataSource) =>
      dataSource.getRepository(UserEntity).find({
        ...(afterEmail === undefined ? {} : { where: { email: MoreThan(afterEmail) } }),
        order: { email: 'ASC' },
        take: limit,
      }),
    );
  }
}
