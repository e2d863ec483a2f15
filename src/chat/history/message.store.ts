import { Injectable } from '@nestjs/common';
import type { Message, MessageRole, MessageStatus } from '../../../protocol/resources.js';
import { DatabaseService } from '../../database/database.service.js';

interface MessageRow {
  id: string;
  role: MessageRole;
  content: string;
  status: MessageStatus;
  seq: string;
  run_id: string | null;
  parent_id: string | null;
  client_message_id: string | null;
  created_at: Date;
}

export interface MessageRange {
  beforeSeq: number | undefined;
  afterSeq: number | undefined;
  limit: number;
}

/** A question and its answer, if there is one. */
export interface Exchange {
  question: string;
  answer: string | null;
  /** The display name of the user who asked. */
  asker: string;
}

const COLUMNS = 'id, role, content, status, seq, run_id, parent_id, client_message_id, created_at';

@Injectable()
export class MessageStore {
  constructor(private readonly database: DatabaseService) {}

  /** Oldest first: the messages after `afterSeq`, or the newest before `beforeSeq`, or else the newest. */
  async page(conversationId: string, range: MessageRange): Promise<Message[]> {
    const order = range.afterSeq === undefined ? 'DESC' : 'ASC';
    const rows = await this.query<MessageRow>(
      `SELECT ${COLUMNS} FROM messages
       WHERE conversation_id = $1 AND seq > $2 AND ($3::bigint IS NULL OR seq < $3)
       ORDER BY seq ${order} LIMIT $4`,
      [conversationId, range.afterSeq ?? 0, range.beforeSeq ?? null, range.limit],
    );
    const messages = rows.map(toMessage);
    return order === 'DESC' ? messages.reverse() : messages;
  }

  /** The given answers, if they are in this conversation and have ended. */
  async endedAnswers(conversationId: string, ids: readonly string[]): Promise<Message[]> {
    const rows = await this.query<MessageRow>(
      `SELECT ${COLUMNS} FROM messages
       WHERE id = ANY($2::uuid[]) AND conversation_id = $1 AND role = 'assistant' AND status <> 'streaming'
       ORDER BY seq`,
      [conversationId, ids],
    );
    return rows.map(toMessage);
  }

  /**
   * The question and the exchanges before it, newest first. An answer is placed by its question, not by its own `seq`:
   * a question that waited in the queue has a lower `seq` than the answer that it waited for.
   */
  async exchangesUpTo(questionId: string, limit: number): Promise<Exchange[]> {
    return this.query<Exchange>(
      `SELECT asked.content AS question, answered.content AS answer, users.display_name AS asker
       FROM messages question
       JOIN messages asked ON asked.conversation_id = question.conversation_id
         AND asked.role = 'user' AND asked.seq <= question.seq
       JOIN conversations ON conversations.id = question.conversation_id
       JOIN users ON users.id = conversations.user_id
       LEFT JOIN LATERAL (
         SELECT content FROM messages
         WHERE parent_id = asked.id AND role = 'assistant' AND content <> '' AND asked.id <> question.id
         ORDER BY seq DESC LIMIT 1
       ) answered ON true
       WHERE question.id = $1
       ORDER BY asked.seq DESC LIMIT $2`,
      [questionId, limit],
    );
  }

  private query<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return this.database.run((dataSource) => dataSource.query<Row[]>(sql, values));
  }
}

function toMessage(row: MessageRow): Message {
  return {
    id: row.id,
    role: row.role,
    content: row.content,
    status: row.status,
    seq: Number(row.seq),
    ...(row.run_id !== null && { run_id: row.run_id }),
    ...(row.parent_id !== null && { parent_id: row.parent_id }),
    ...(row.client_message_id !== null && { client_message_id: row.client_message_id }),
    created_at: row.created_at.toISOString(),
  };
}
