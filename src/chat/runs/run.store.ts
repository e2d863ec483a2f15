import { Injectable } from '@nestjs/common';
import type { RunEnd } from '../../../protocol/messages.js';
import { DatabaseService } from '../../database/database.service.js';
import type { RunStatus } from './run.entity.js';

/** A run that this node has claimed; `attempt` is its fencing token. */
export interface ClaimedRun {
  id: string;
  conversationId: string;
  userId: string;
  questionId: string;
  attempt: number;
  /** The answer, if an earlier attempt began it. */
  messageId: string | undefined;
  /** The node of the earlier attempt. */
  fromNode: string | undefined;
  isCancelRequested: boolean;
  /** Milliseconds between its acceptance and the claim, by the clock of Postgres. */
  ageMs: number;
}

export interface KnownRun {
  id: string;
  conversationId: string;
  userId: string;
  questionId: string;
  attempt: number;
  status: RunStatus;
  outcome: RunEnd | undefined;
}

/** A node that is silent for this long loses its runs to other nodes. */
export const LEASE_MS = 2000;
export const LEASE = `interval '${LEASE_MS} milliseconds'`;

/** Which node writes which run, and how runs ended. */
@Injectable()
export class RunStore {
  constructor(private readonly database: DatabaseService) {}

  /** Renews leases in one statement. A run missing in the result was taken over, has ended or was deleted. */
  async renew(
    held: readonly { id: string; attempt: number }[],
  ): Promise<Map<string, { isCancelRequested: boolean }>> {
    const rows = await this.query<{ id: string; is_cancel_requested: boolean }>(
      `WITH renewed AS (
         UPDATE runs SET lease_until = now() + ${LEASE}
         FROM unnest($1::uuid[], $2::int[]) AS held (id, attempt)
         WHERE runs.id = held.id AND runs.attempt = held.attempt AND runs.status = 'running'
         RETURNING runs.id, runs.cancel_requested_at IS NOT NULL AS is_cancel_requested
       ) SELECT * FROM renewed`,
      [held.map(({ id }) => id), held.map(({ attempt }) => attempt)],
    );
    return new Map(rows.map((row) => [row.id, { isCancelRequested: row.is_cancel_requested }]));
  }

  /** Releases running runs, so that other nodes can take them over at once. */
  async release(held: readonly { id: string; attempt: number }[]): Promise<void> {
    await this.query(
      `UPDATE runs SET lease_until = now() FROM unnest($1::uuid[], $2::int[]) AS held (id, attempt)
       WHERE runs.id = held.id AND runs.attempt = held.attempt AND runs.status = 'running'`,
      [held.map(({ id }) => id), held.map(({ attempt }) => attempt)],
    );
  }

  async find(
    userId: string,
    named: { runId: string } | { clientMessageId: string },
  ): Promise<KnownRun | undefined> {
    const [column, value] =
      'runId' in named ? ['id', named.runId] : ['client_message_id', named.clientMessageId];
    const rows = await this.query<{
      id: string;
      conversation_id: string;
      question_id: string;
      attempt: number;
      status: RunStatus;
      outcome: RunEnd | null;
    }>(
      `SELECT id, conversation_id, question_id, attempt, status, outcome FROM runs WHERE user_id = $1 AND ${column} = $2`,
      [userId, value],
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    const { id, conversation_id: conversationId, question_id: questionId, attempt, status } = row;
    return { id, conversationId, userId, questionId, attempt, status, outcome: row.outcome ?? undefined };
  }

  /** Unfinished runs of a user, queued ones first: otherwise a queued run would begin when the one before it stops. */
  async unfinishedOf(userId: string): Promise<string[]> {
    const rows = await this.query<{ id: string }>(
      `SELECT id FROM runs WHERE user_id = $1 AND status IN ('queued', 'running') ORDER BY status, position DESC`,
      [userId],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Asks for the end of a run. The node that writes it also finds this when it renews its leases; one that takes the run
   * later ends it before its answer begins.
   */
  async requestCancel(id: string): Promise<void> {
    await this.query(
      `UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1 AND status IN ('queued', 'running')`,
      [id],
    );
  }

  /** The run that is being written in a conversation, once its answer has begun. */
  async findRunning(conversationId: string): Promise<{ runId: string; messageId: string } | undefined> {
    const rows = await this.query<{ id: string; message_id: string }>(
      `SELECT id, message_id FROM runs WHERE conversation_id = $1 AND status = 'running' AND message_id IS NOT NULL`,
      [conversationId],
    );
    return rows[0] && { runId: rows[0].id, messageId: rows[0].message_id };
  }

  private query<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return this.database.run((dataSource) => dataSource.query<Row[]>(sql, values));
  }
}
