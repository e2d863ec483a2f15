import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';

/** A run that is waiting in the queue. */
export interface WaitingRun {
  runId: string;
  conversationId: string;
  /** Position among the waiting runs of its user, in the order of acceptance, from 1. */
  position: number;
  /** Time since it was accepted, by the clock of Postgres. */
  elapsedMs: number;
}

interface WaitingRow {
  id: string;
  conversation_id: string;
  position: number;
  elapsed_ms: number;
}

/** Counting stops at this length. */
const MAX_COUNTED = 100_000;

/** Reads the queue of runs. */
@Injectable()
export class RunQueueStore {
  constructor(private readonly database: DatabaseService) {}

  /** How many runs are waiting, over all nodes. */
  async countWaiting(): Promise<number> {
    const rows = await this.query<{ count: number }>(
      `SELECT count(*)::int FROM (SELECT 1 FROM runs WHERE status = 'queued' LIMIT ${MAX_COUNTED}) AS waiting`,
      [],
    );
    return rows[0]!.count;
  }

  /** The runs that are waiting in these conversations. Runs of other users are not read. */
  async waitingIn(conversationIds: readonly string[]): Promise<WaitingRun[]> {
    const rows = await this.query<WaitingRow>(
      `SELECT ranked.* FROM (
         SELECT DISTINCT user_id FROM runs WHERE status = 'queued' AND conversation_id = ANY($1::uuid[])
       ) owners CROSS JOIN LATERAL (
         SELECT id, conversation_id, (row_number() OVER (ORDER BY position))::int AS position,
           greatest(0, extract(epoch FROM now() - created_at) * 1000)::int AS elapsed_ms
         FROM runs WHERE user_id = owners.user_id AND status = 'queued'
       ) ranked WHERE ranked.conversation_id = ANY($1::uuid[])`,
      [conversationIds],
    );
    return rows.map(({ id: runId, conversation_id: conversationId, position, elapsed_ms: elapsedMs }) => {
      return { runId, conversationId, position, elapsedMs };
    });
  }

  private query<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return this.database.run((dataSource) => dataSource.query<Row[]>(sql, values));
  }
}
