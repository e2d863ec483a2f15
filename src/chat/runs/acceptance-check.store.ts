import type { EntityManager } from 'typeorm';
import { AppError } from '../../errors/app-error.js';

/** Checks before a question is accepted. The caller holds the lock of the conversation. */

type Database = Pick<EntityManager, 'query'>;

/** The run that a `client_message_id` belongs to. */
export interface EarlierRun {
  run_id: string;
  question_id: string;
  conversation_id: string;
  content: string;
  seq: string;
  /** False for the run of a regeneration, whose `client_message_id` is not the question's. */
  is_first: boolean;
}

/** @throws {AppError} `conversation_not_found` */
export async function lockConversation(
  database: Database,
  { userId, conversationId }: { userId: string; conversationId: string },
): Promise<void> {
  const rows = await database.query<unknown[]>(
    'SELECT 1 FROM conversations WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE',
    [conversationId, userId],
  );
  if (rows.length === 0) throw new AppError('conversation_not_found');
}

export async function findEarlierRun(
  database: Database,
  { userId, clientMessageId }: { userId: string; clientMessageId: string },
): Promise<EarlierRun | undefined> {
  const rows = await database.query<EarlierRun[]>(
    `SELECT runs.id AS run_id, question.id AS question_id, question.conversation_id, question.content, question.seq,
       question.client_message_id = runs.client_message_id AS is_first
     FROM runs JOIN messages question ON question.id = runs.question_id
     WHERE runs.user_id = $1 AND runs.client_message_id = $2`,
    [userId, clientMessageId],
  );
  return rows[0];
}

/** @throws {AppError} `validation_failed` */
export async function requireMessage(database: Database, conversationId: string, id: string): Promise<void> {
  const rows = await database.query<unknown[]>(
    'SELECT 1 FROM messages WHERE id = $1 AND conversation_id = $2',
    [id, conversationId],
  );
  if (rows.length > 0) return;
  throw new AppError('validation_failed', { detail: '"parent_id" must name a message of this conversation' });
}

/** @throws {AppError} `run_busy` */
export async function requireIdle(database: Database, conversationId: string): Promise<void> {
  const rows = await database.query<unknown[]>(
    "SELECT 1 FROM runs WHERE conversation_id = $1 AND status IN ('queued', 'running') LIMIT 1",
    [conversationId],
  );
  if (rows.length > 0) throw new AppError('run_busy');
}

/** Asks all open runs to stop; returns their ids. */
export async function interruptRuns(database: Database, conversationId: string): Promise<string[]> {
  const rows = await database.query<{ id: string }[]>(
    `WITH interrupted AS (
       UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, now())
       WHERE conversation_id = $1 AND status IN ('queued', 'running') RETURNING id
     ) SELECT id FROM interrupted`,
    [conversationId],
  );
  return rows.map(({ id }) => id);
}

/** The question that a message is or answers. @throws {AppError} `validation_failed` */
export async function findQuestion(
  database: Database,
  conversationId: string,
  messageId: string,
): Promise<{ id: string; seq: number }> {
  const rows = await database.query<{ id: string; seq: string }[]>(
    `SELECT question.id, question.seq FROM messages named
     JOIN messages question ON question.id = CASE named.role WHEN 'user' THEN named.id ELSE named.parent_id END
     WHERE named.id = $1 AND named.conversation_id = $2`,
    [messageId, conversationId],
  );
  if (rows[0] !== undefined) return { id: rows[0].id, seq: Number(rows[0].seq) };
  throw new AppError('validation_failed', {
    detail: '"message_id" must name a message of this conversation',
  });
}
