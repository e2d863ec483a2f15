import { AuditEntity } from './audit/audit.entity.js';
import { UserEntity } from './auth/user.entity.js';
import { ConversationEntity } from './chat/history/conversation.entity.js';
import { EventEntity } from './chat/history/event.entity.js';
import { MessageEntity } from './chat/history/message.entity.js';
import { RunEntity } from './chat/runs/run.entity.js';
import type { EntityClass } from './database/data-source.js';

/** All entity classes, for the one data source. They belong to their features; `database/` imports none of them. */
export const ENTITIES: readonly EntityClass[] = [
  UserEntity,
  ConversationEntity,
  EventEntity,
  MessageEntity,
  RunEntity,
  AuditEntity,
];
