import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import type { MessageRole, MessageStatus } from '../../../protocol/resources.js';

@Entity('messages')
@Unique(['conversationId', 'seq'])
@Unique(['userId', 'clientMessageId'])
export class MessageEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'conversation_id' })
  conversationId!: string;

  /** The conversation's owner, repeated here because a `client_message_id` is unique per user. */
  @Column('uuid', { name: 'user_id' })
  userId!: string;

  @Column('text')
  role!: MessageRole;

  /** Empty while an answer is being written: the text so far is in the run's checkpoint. */
  @Column('text')
  content!: string;

  @Column('text')
  status!: MessageStatus;

  @Column('bigint')
  seq!: string;

  /** The run that wrote it; null for a question. */
  @Column('uuid', { name: 'run_id', nullable: true })
  runId!: string | null;

  /** For an answer, its question; for a question, the parent that its sender named. */
  @Column('uuid', { name: 'parent_id', nullable: true })
  parentId!: string | null;

  @Column('text', { name: 'client_message_id', nullable: true })
  clientMessageId!: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;
}
