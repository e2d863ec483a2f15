import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('audit_log')
export class AuditEntity {
  /** The place in the chain: from 1, without gaps. */
  @PrimaryColumn('bigint')
  id!: string;

  @Column({ type: 'timestamptz', precision: 3 })
  at!: Date;

  /** `ticket.issued`, `session.opened`, … */
  @Column('text')
  event!: string;

  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Column('text')
  node!: string;

  @Column('jsonb')
  fields!: Record<string, unknown>;

  /** `hash` of the previous row. */
  @Column('text', { name: 'prev_hash' })
  prevHash!: string;

  /** See `audit-chain.ts`. */
  @Column('text')
  hash!: string;
}
