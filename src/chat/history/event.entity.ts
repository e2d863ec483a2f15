import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { DurableEventType } from '../../../protocol/messages.js';

@Entity('events')
export class EventEntity {
  @PrimaryColumn('uuid', { name: 'conversation_id' })
  conversationId!: string;

  @PrimaryColumn('bigint')
  seq!: string;

  @Column('text')
  type!: DurableEventType;

  @Column('jsonb')
  data!: Record<string, unknown>;

  @Column({ type: 'timestamptz', precision: 3 })
  ts!: Date;
}
