import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type EntityManager, QueryFailedError } from 'typeorm';
import type { DurableEvent, OnBusy } from '../../protocol/messages.js';
import type { AcceptedMessage, Message } from '../../protocol/resources.js';
import { DatabaseService } from '../database/database.service.js';
import { AppError } from '../errors/app-error.js';

export interface SendRequest {
  userId: string;
  conversationId: string;
  clientMessageId: string;
  content: string;
  parentId?: string | undefined;
  onBusy: OnBusy;
}

export interface RegenerateRequest {
  userId: string;
  conversationId: string;
  clientMessageId: string;
  /** An answer, or its question. */
  messageId: string;
}

export interface Acceptance {
  accepted: AcceptedMessage;
  /** What was added to the log; nothing for a duplicate and for a regeneration. */
  event?: DurableEvent;
  /** Runs that were told to stop. */
  interrupted: string[];
}

type Place = Pick<SendRequest, 'userId' | 'conversationId' | 'clientMessageId'>;

interface EarlierRun {
  run_id: string;
  question_id: string;
  conversation_id: string;
  content: string;
  seq: string;
  /** False for the run of a regeneration, whose `client_message_id` is not the question's. */
  is_first: boolean;
}

const UNIQUE_VIOLATION = '23505';

/**
 * Takes questions in: message, event and queued run in one transaction, under the row lock of the conversation. The lock
 * gives `seq` without holes, and makes the look at earlier and open runs good until the commit. A transaction of a few
 * statements and not one statement, because one statement would look with the eyes that it had before it got the lock.
 */
@Injectable()
export class AcceptanceStore {
  constructor(private readonly database: DatabaseService) {}

  /** @throws {AppError} `conversation_not_found`, `idempotency_conflict`, `run_busy`, `validation_failed` */
  send(request: SendRequest): Promise<Acceptance> {
    return this.transaction(async (manager) => {
      const lastSeq = await lockConversation(manager, request);
      const earlier = await findEarlierRun(manager, request);
      if (earlier !== undefined) {
        return repeat(earlier, request, earlier.is_first && earlier.content === request.content);
      }
      if (request.parentId !== undefined)
        await requireMessage(manager, request.conversationId, request.parentId);
      if (request.onBusy === 'reject') await requireIdle(manager, request.conversationId);
      const interrupted =
        request.onBusy === 'interrupt' ? await interrupt(manager, request.conversationId) : [];
      return { ...(await storeQuestion(manager, request, lastSeq + 1)), interrupted };
    });
  }

  /** @throws {AppError} `conversation_not_found`, `idempotency_conflict`, `validation_failed` */
  regenerate(request: RegenerateRequest): Promise<Acceptance> {
    return this.transaction(async (manager) => {
      await lockConversation(manager, request);
      const question = await findQuestion(manager, request);
      const earlier = await findEarlierRun(manager, request);
      if (earlier !== undefined) {
        return repeat(earlier, request, !earlier.is_first && earlier.question_id === question.id);
      }
      const runId = randomUUID();
      await manager.query(
        'INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id) VALUES ($1, $2, $3, $4, $5)',
        [runId, request.conversationId, request.userId, request.clientMessageId, question.id],
      );
      const accepted = { message_id: question.id, seq: question.seq, run_id: runId, duplicate: false };
      return { accepted, interrupted: [] };
    });
  }

  private async transaction(work: (manager: EntityManager) => Promise<Acceptance>): Promise<Acceptance> {
    try {
      return await this.database.transaction(work);
    } catch (error) {
      // The same client_message_id came for another conversation at the same time: no lock of ours stood between the
      // two, so the index decided. A second look finds the one that was first.
      if (!isUniqueViolation(error)) throw error;
      return this.database.transaction(work);
    }
  }
}

async function lockConversation(manager: EntityManager, { userId, conversationId }: Place): Promise<number> {
  const rows = await manager.query<{ last_seq: string }[]>(
    'SELECT last_seq FROM conversations WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE',
    [conversationId, userId],
  );
  if (rows[0] === undefined) throw new AppError('conversation_not_found');
  return Number(rows[0].last_seq);
}

async function findEarlierRun(manager: EntityManager, place: Place): Promise<EarlierRun | undefined> {
  const rows = await manager.query<EarlierRun[]>(
    `SELECT runs.id AS run_id, question.id AS question_id, question.conversation_id, question.content, question.seq,
       question.client_message_id = runs.client_message_id AS is_first
     FROM runs JOIN messages question ON question.id = runs.question_id
     WHERE runs.user_id = $1 AND runs.client_message_id = $2`,
    [place.userId, place.clientMessageId],
  );
  return rows[0];
}

function repeat(earlier: EarlierRun, place: Place, isSame: boolean): Acceptance {
  if (!isSame || earlier.conversation_id !== place.conversationId) throw new AppError('idempotency_conflict');
  const { question_id: message_id, run_id } = earlier;
  return { accepted: { message_id, seq: Number(earlier.seq), run_id, duplicate: true }, interrupted: [] };
}

async function requireMessage(manager: EntityManager, conversationId: string, id: string): Promise<void> {
  const rows = await manager.query<unknown[]>(
    'SELECT 1 FROM messages WHERE id = $1 AND conversation_id = $2',
    [id, conversationId],
  );
  if (rows.length > 0) return;
  throw new AppError('validation_failed', { detail: '"parent_id" must name a message of this conversation' });
}

async function requireIdle(manager: EntityManager, conversationId: string): Promise<void> {
  const rows = await manager.query<unknown[]>(
    "SELECT 1 FROM runs WHERE conversation_id = $1 AND status IN ('queued', 'running') LIMIT 1",
    [conversationId],
  );
  if (rows.length > 0) throw new AppError('run_busy');
}

async function interrupt(manager: EntityManager, conversationId: string): Promise<string[]> {
  const rows = await manager.query<{ id: string }[]>(
    `WITH interrupted AS (
       UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, now())
       WHERE conversation_id = $1 AND status IN ('queued', 'running') RETURNING id
     ) SELECT id FROM interrupted`,
    [conversationId],
  );
  return rows.map(({ id }) => id);
}

async function findQuestion(
  manager: EntityManager,
  { conversationId, messageId }: RegenerateRequest,
): Promise<{ id: string; seq: number }> {
  const rows = await manager.query<{ id: string; seq: string }[]>(
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

async function storeQuestion(
  manager: EntityManager,
  request: SendRequest,
  seq: number,
): Promise<Pick<Acceptance, 'accepted'> & { event: DurableEvent }> {
  const { userId, conversationId, clientMessageId, content, parentId } = request;
  const runId = randomUUID();
  const now = new Date().toISOString();
  const message: Message = {
    id: randomUUID(),
    role: 'user',
    content,
    status: 'complete',
    seq,
    ...(parentId !== undefined && { parent_id: parentId }),
    client_message_id: clientMessageId,
    created_at: now,
  };
  await manager.query(
    `WITH conversation AS (
       UPDATE conversations SET last_seq = $5, updated_at = $8 WHERE id = $1
     ), message AS (
       INSERT INTO messages (id, conversation_id, user_id, role, content, status, seq, parent_id, client_message_id, created_at)
       VALUES ($3, $1, $2, 'user', $6, 'complete', $5, $7, $4, $8)
     ), event AS (
       INSERT INTO events (conversation_id, seq, type, data, ts) VALUES ($1, $5, 'message.created', $10, $8)
     )
     INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id) VALUES ($9, $1, $2, $4, $3)`,
    [
      conversationId,
      userId,
      message.id,
      clientMessageId,
      seq,
      content,
      parentId ?? null,
      now,
      runId,
      JSON.stringify({ message }),
    ],
  );
  return {
    accepted: { message_id: message.id, seq, run_id: runId, duplicate: false },
    event: { type: 'message.created', conversation_id: conversationId, seq, ts: now, data: { message } },
  };
}

function isUniqueViolation(error: unknown): boolean {
  return (
    error instanceof QueryFailedError && (error.driverError as { code?: string }).code === UNIQUE_VIOLATION
  );
}
