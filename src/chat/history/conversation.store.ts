import { Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Conversation } from '../../../protocol/resources.js';
import { DatabaseService } from '../../database/database.service.js';
import type { ConversationCursor } from './conversation-cursor.js';

interface ConversationRow {
  id: string;
  title: string;
  last_seq: string;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = 'id, title, last_seq, created_at, updated_at';

/** Statements filter by owner: another user's conversation is treated like a missing one. */
@Injectable()
export class ConversationStore {
  constructor(private readonly database: DatabaseService) {}

  async create(userId: string, title: string): Promise<Conversation> {
    const rows = await this.query<ConversationRow>(
      `INSERT INTO conversations (id, user_id, title) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
      [randomUUID(), userId, title],
    );
    return toConversation(rows[0]!);
  }

  async find(userId: string, id: string): Promise<Conversation | undefined> {
    const rows = await this.query<ConversationRow>(
      `SELECT ${COLUMNS} FROM conversations WHERE id = $2 AND user_id = $1`,
      [userId, id],
    );
    return rows[0] && toConversation(rows[0]);
  }

  /** Newest first, ordered by creation time, which never changes: paging neither skips nor repeats. */
  async list(userId: string, after: ConversationCursor | undefined, limit: number): Promise<Conversation[]> {
    const rows = await this.query<ConversationRow>(
      `SELECT ${COLUMNS} FROM conversations
       WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
       ORDER BY created_at DESC, id DESC LIMIT $4`,
      [userId, after?.createdAt ?? null, after?.id ?? null, limit],
    );
    return rows.map(toConversation);
  }

  async rename(userId: string, id: string, title: string): Promise<Conversation | undefined> {
    const rows = await this.query<ConversationRow>(
      `WITH renamed AS (
         UPDATE conversations SET title = $3, updated_at = now() WHERE id = $2 AND user_id = $1 RETURNING ${COLUMNS}
       ) SELECT * FROM renamed`,
      [userId, id, title],
    );
    return rows[0] && toConversation(rows[0]);
  }

  /** Deletes it with everything in it. Returns the runs that were running, or `undefined` if it does not exist. */
  async remove(userId: string, id: string): Promise<string[] | undefined> {
    const rows = await this.query<{ run_id: string | null }>(
      `WITH removed AS (DELETE FROM conversations WHERE id = $2 AND user_id = $1 RETURNING id)
       SELECT runs.id AS run_id FROM removed
       LEFT JOIN runs ON runs.conversation_id = removed.id AND runs.status = 'running'`,
      [userId, id],
    );
    return rows.length === 0 ? undefined : rows.flatMap(({ run_id }) => run_id ?? []);
  }

  /** The ids that do not belong to any conversation. */
  async missingOf(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const rows = await this.query<{ id: string }>(
      `SELECT id FROM unnest($1::uuid[]) AS asked (id)
       WHERE NOT EXISTS (SELECT 1 FROM conversations WHERE conversations.id = asked.id)`,
      [ids],
    );
    return rows.map(({ id }) => id);
  }

  private query<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return this.database.run((dataSource) => dataSource.query<Row[]>(sql, values));
  }
}

function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    title: row.title,
    last_seq: Number(row.last_seq),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
