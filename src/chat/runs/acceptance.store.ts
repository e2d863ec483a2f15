import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DurableEvent, OnBusy } from '../../../protocol/messages.js';
import type { AcceptedMessage, Message } from '../../../protocol/resources.js';
import { DatabaseService } from '../../database/database.service.js';
import { isUniqueViolation } from '../../database/unique-violation.js';
import { AppError } from '../../errors/app-error.js';
import {
  type EarlierRun,
  findEarlierRun,
  findQuestion,
  interruptRuns,
  lockConversation,
  requireIdle,
  requireMessage,
} from './acceptance-check.store.js';
import { redisNow } from '../../redis/redis-clock.js';

/** Who asks for a run, in which conversation, and with which `client_message_id`. */
export interface RunRequest {
  userId: string;
  conversationId: string;
  clientMessageId: string;
  /** `performance.now()` when the frame or the request arrived. */
  receivedMs: number;
}

export interface SendRequest extends RunRequest {
  content: string;
  parentId?: string | undefined;
  onBusy: OnBusy;
}

export interface RegenerateRequest extends RunRequest {
  /** The id of an answer or of its question. */
  messageId: string;
}

export interface Acceptance {
  accepted: AcceptedMessage;
  /** The event that was added to the log; absent for a duplicate and for a regeneration. */
  event?: DurableEvent;
  /** Runs that were told to stop. */
  interrupted: string[];
}

/**
 * Accepts questions: message, event and queued run commit together, or not at all. The row lock of the conversation
 * gives `seq` without gaps; the unique `client_message_id` lets the first of several equal sends win, on any node.
 */
@Injectable()
export class AcceptanceStore {
  constructor(private readonly database: DatabaseService) {}

  /** @throws {AppError} `conversation_not_found`, `idempotency_conflict`, `run_busy`, `validation_failed` */
  async send(request: SendRequest): Promise<Acceptance> {
    try {
      // A single statement is its own transaction, which saves a plain send two round trips.
      if (request.onBusy === 'queue' && request.parentId === undefined) {
        return await this.database.run((dataSource) => storeQuestion(dataSource, request, []));
      }
      return await this.database.transaction((manager) => sendWithChecks(manager, request));
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const earlier = await this.database.run((dataSource) => findEarlierRun(dataSource, request));
      // The earlier run was deleted just now, so the id is free again: the client will retry.
      if (earlier === undefined) throw error;
      return repeatSend(earlier, request);
    }
  }

  /** @throws {AppError} `conversation_not_found`, `idempotency_conflict`, `validation_failed` */
  async regenerate(request: RegenerateRequest): Promise<Acceptance> {
    try {
      return await this.database.transaction((manager) => storeRegeneration(manager, request));
    } catch (error) {
      // The same client_message_id was just used in another conversation, under another lock: a retry finds it.
      if (!isUniqueViolation(error)) throw error;
      return this.database.transaction((manager) => storeRegeneration(manager, request));
    }
  }
}

/** Separate statements, because a single one would use the snapshot from before it got the lock. */
async function sendWithChecks(manager: EntityManager, request: SendRequest): Promise<Acceptance> {
  const { conversationId, parentId, onBusy } = request;
  await lockConversation(manager, request);
  const earlier = await findEarlierRun(manager, request);
  if (earlier !== undefined) return repeatSend(earlier, request);
  if (parentId !== undefined) await requireMessage(manager, conversationId, parentId);
  if (onBusy === 'reject') await requireIdle(manager, conversationId);
  const interrupted = onBusy === 'interrupt' ? await interruptRuns(manager, conversationId) : [];
  return storeQuestion(manager, request, interrupted);
}

async function storeQuestion(
  database: Pick<EntityManager, 'query'>,
  request: SendRequest,
  interrupted: string[],
): Promise<Acceptance> {
  const { userId, conversationId, clientMessageId, content, parentId } = request;
  const runId = randomUUID();
  const now = new Date(redisNow()).toISOString();
  const unnumbered: Omit<Message, 'seq'> = {
    id: randomUUID(),
    role: 'user',
    content,
    status: 'complete',
    ...(parentId !== undefined && { parent_id: parentId }),
    client_message_id: clientMessageId,
    created_at: now,
  };
  const rows = await database.query<{ seq: string }[]>(
    `WITH numbered AS (
       UPDATE conversations SET last_seq = last_seq + 1, updated_at = $6 WHERE id = $1 AND user_id = $2
       RETURNING last_seq AS seq
     ), message AS (
       INSERT INTO messages
         (id, conversation_id, user_id, role, content, status, seq, parent_id, client_message_id, created_at)
       SELECT $3::uuid, $1, $2, 'user', $5, 'complete', seq, $8::uuid, $4, $6 FROM numbered
     ), event AS (
       INSERT INTO events (conversation_id, seq, type, data, ts)
       SELECT $1, seq, 'message.created', jsonb_set($9::jsonb, '{message,seq}', to_jsonb(seq)), $6 FROM numbered
     ), run AS (
       INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id)
       SELECT $7::uuid, $1, $2, $4, $3 FROM numbered
     )
     SELECT seq FROM numbered`,
    [
      conversationId,
      userId,
      unnumbered.id,
      clientMessageId,
      content,
      now,
      runId,
      parentId ?? null,
      JSON.stringify({ message: unnumbered }),
    ],
  );
  if (rows[0] === undefined) throw new AppError('conversation_not_found');
  const seq = Number(rows[0].seq);
  const message: Message = { ...unnumbered, seq };
  return {
    accepted: { message_id: message.id, seq, run_id: runId, duplicate: false },
    event: { type: 'message.created', conversation_id: conversationId, seq, ts: now, data: { message } },
    interrupted,
  };
}

async function storeRegeneration(manager: EntityManager, request: RegenerateRequest): Promise<Acceptance> {
  const { userId, conversationId, clientMessageId } = request;
  await lockConversation(manager, request);
  const question = await findQuestion(manager, conversationId, request.messageId);
  const earlier = await findEarlierRun(manager, request);
  if (earlier !== undefined) {
    return repeat(earlier, request, !earlier.is_first && earlier.question_id === question.id);
  }
  const runId = randomUUID();
  await manager.query(
    'INSERT INTO runs (id, conversation_id, user_id, client_message_id, question_id) VALUES ($1, $2, $3, $4, $5)',
    [runId, conversationId, userId, clientMessageId, question.id],
  );
  const accepted = { message_id: question.id, seq: question.seq, run_id: runId, duplicate: false };
  return { accepted, interrupted: [] };
}

function repeatSend(earlier: EarlierRun, request: SendRequest): Acceptance {
  return repeat(earlier, request, earlier.is_first && earlier.content === request.content);
}

/** The first reply again, if the request is the same. */
function repeat(
  earlier: EarlierRun,
  { conversationId }: { conversationId: string },
  isSame: boolean,
): Acceptance {
  if (!isSame || earlier.conversation_id !== conversationId) throw new AppError('idempotency_conflict');
  const { question_id: message_id, run_id } = earlier;
  return { accepted: { message_id, seq: Number(earlier.seq), run_id, duplicate: true }, interrupted: [] };
}
