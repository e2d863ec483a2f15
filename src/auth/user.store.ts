import { Injectable } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { DatabaseService } from '../database/database.service.js';
import { UserEntity } from './user.entity.js';

const UNIQUE_VIOLATION = '23505';

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
      if (
        error instanceof QueryFailedError &&
        (error.driverError as { code?: string }).code === UNIQUE_VIOLATION
      ) {
        return false;
      }
      throw error;
    }
  }
}
