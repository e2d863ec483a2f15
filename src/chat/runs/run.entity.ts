import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import type { RunEnd } from '../../../protocol/messages.js';

export type RunStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

@Entity('runs')
@Unique(['userId', 'clientMessageId'])
export class RunEntity {
  @PrimaryColumn('uuid')
  id!: string;

  /** Order in which the runs of a conversation were accepted and are executed. */
  @Column({ type: 'bigint', insert: false, update: false })
  position!: string;

  @Column('uuid', { name: 'conversation_id' })
  conversationId!: string;

  @Column('uuid', { name: 'user_id' })
  userId!: string;

  /** From the `message.send` or `message.regenerate` that requested it: a resend finds the run by it. */
  @Column('text', { name: 'client_message_id' })
  clientMessageId!: string;

  @Column('uuid', { name: 'question_id' })
  questionId!: string;

  /** The answer; null until the run starts. */
  @Column('uuid', { name: 'message_id', nullable: true })
  messageId!: string | null;

  @Column('text', { default: 'queued' })
  status!: RunStatus;

  /** Counts the claims. Every write names its attempt (a fencing token), so a former owner's writes have no effect. */
  @Column('int', { default: 0 })
  attempt!: number;

  /** The node that claimed it last. */
  @Column('text', { nullable: true })
  node!: string | null;

  /** While running: which of its user's places it holds. */
  @Column('smallint', { nullable: true })
  place!: number | null;

  /** While running: when another node may take it over. */
  @Column('timestamptz', { name: 'lease_until', nullable: true })
  leaseUntil!: Date | null;

  /** After the end: when other nodes publish its event again. Null once it is confirmed as published. */
  @Column('timestamptz', { name: 'announce_after', nullable: true })
  announceAfter!: Date | null;

  @Column('timestamptz', { name: 'cancel_requested_at', nullable: true })
  cancelRequestedAt!: Date | null;

  /** The data of its last event. */
  @Column('jsonb', { nullable: true })
  outcome!: RunEnd | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'started_at', precision: 3, nullable: true })
  startedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'ended_at', precision: 3, nullable: true })
  endedAt!: Date | null;
}
