import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import type { RunEnd } from '../../../protocol/messages.js';

export type RunStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

@Entity('runs')
@Unique(['userId', 'clientMessageId'])
export class RunEntity {
  @PrimaryColumn('uuid')
  id!: string;

  /** Order in which the runs of a conversation were accepted, and are written. */
  @Column({ type: 'bigint', insert: false, update: false })
  position!: string;

  @Column('uuid', { name: 'conversation_id' })
  conversationId!: string;

  @Column('uuid', { name: 'user_id' })
  userId!: string;

  /** Of the `message.send` or `message.regenerate` that asked for it: a resend finds the run again. */
  @Column('text', { name: 'client_message_id' })
  clientMessageId!: string;

  @Column('uuid', { name: 'question_id' })
  questionId!: string;

  /** The answer; null until the run starts. */
  @Column('uuid', { name: 'message_id', nullable: true })
  messageId!: string | null;

  @Column('text', { default: 'queued' })
  status!: RunStatus;

  /** Counts the nodes that took it. Every write names the attempt that it belongs to, which keeps a dead node's out. */
  @Column('int', { default: 0 })
  attempt!: number;

  /** The node that took it last. */
  @Column('text', { nullable: true })
  node!: string | null;

  /** Which of its user's places it holds while running. */
  @Column('smallint', { nullable: true })
  place!: number | null;

  /** While running: when another node may take it over. */
  @Column('timestamptz', { name: 'lease_until', nullable: true })
  leaseUntil!: Date | null;

  /** After the end: when other nodes publish its event again. Null as soon as it is known to be published. */
  @Column('timestamptz', { name: 'announce_after', nullable: true })
  announceAfter!: Date | null;

  @Column('timestamptz', { name: 'cancel_requested_at', nullable: true })
  cancelRequestedAt!: Date | null;

  /** What its last event says. */
  @Column('jsonb', { nullable: true })
  outcome!: RunEnd | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'started_at', precision: 3, nullable: true })
  startedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'ended_at', precision: 3, nullable: true })
  endedAt!: Date | null;
}
