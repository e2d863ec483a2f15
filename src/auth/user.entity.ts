import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Role, User } from '../../protocol/resources.js';

@Entity('users')
export class UserEntity {
  @PrimaryColumn('uuid')
  id!: string;

  /** In lower case, so that one address is one account. */
  @Column('text', { unique: true })
  email!: string;

  @Column('text', { name: 'display_name' })
  displayName!: string;

  @Column('text')
  role!: Role;

  @Column('text', { name: 'password_hash' })
  passwordHash!: string;

  /** Set while the account may not sign in. */
  @Column('timestamptz', { name: 'disabled_at', nullable: true })
  disabledAt!: Date | null;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;
}

/** The account as administrators see it. */
export interface Account {
  email: string;
  role: Role;
  isDisabled: boolean;
  createdAt: Date;
}

export function toAccount({ email, role, disabledAt, createdAt }: UserEntity): Account {
  return { email, role, isDisabled: disabledAt !== null, createdAt };
}

/** The account as clients see it. */
export function toUser(account: Pick<UserEntity, 'id' | 'email' | 'role' | 'displayName'>): User {
  return { id: account.id, email: account.email, role: account.role, display_name: account.displayName };
}
