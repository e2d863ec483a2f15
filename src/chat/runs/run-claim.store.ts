import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { isUniqueViolation } from '../../database/unique-violation.js';
import { type ClaimedRun, LEASE } from './run.store.js';

interface ClaimedRow {
  id: string;
  conversation_id: string;
  user_id: string;
  question_id: string;
  attempt: number;
  message_id: string | null;
  from_node: string | null;
  is_cancel_requested: boolean;
  age_ms: number;
}

/**
 * How many queued runs of one user a claim looks at. A user who queues more than this in one conversation delays only
 * their own runs.
 */
const MAX_RUNS_LOOKED_AT = 200;

/** Held by the node that counts the free slots of the model server. */
const CLAIM_LOCK = 4_720_116;

type Query = (sql: string, values: unknown[]) => Promise<ClaimedRow[]>;

/** How often a claim is tried if another node takes the same place at the same moment. The next sweep tries again. */
const MAX_TRIES = 3;

const CLAIMED = `runs.id, runs.conversation_id, runs.user_id, runs.question_id, runs.attempt, runs.message_id,
  runs.cancel_requested_at IS NOT NULL AS is_cancel_requested,
  greatest(0, extract(epoch FROM now() - runs.created_at) * 1000)::int AS age_ms`;

/** Each user with queued runs. Skips from user to user by the index, however many runs each has. */
const WAITING_USERS = `
  (SELECT user_id FROM runs WHERE status = 'queued' ORDER BY user_id LIMIT 1)
  UNION ALL
  SELECT following.user_id FROM waiting CROSS JOIN LATERAL (
    SELECT user_id FROM runs WHERE status = 'queued' AND user_id > waiting.user_id ORDER BY user_id LIMIT 1
  ) following`;

/**
 * The free places of those users. A user without a free place costs nothing more, however long their queue. In random
 * order, so that nodes that claim at the same moment seldom choose the same one.
 */
const FREE_PLACES = `
  SELECT waiting.user_id, array_agg(number ORDER BY random()) AS places
  FROM waiting CROSS JOIN generate_series(1, $3::int) AS number
  WHERE NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.user_id = waiting.user_id AND runs.status = 'running' AND runs.place = number
  ) GROUP BY waiting.user_id`;

/**
 * The first queued run of each idle conversation of a user; of these the oldest, up to the number of free places. Each
 * conversation is checked once and not once per run, which would make the cost of a claim quadratic in the queue's
 * length.
 */
const FIRST_OF_USER = `
  SELECT id, row_number() OVER (ORDER BY position) AS turn FROM (
    SELECT DISTINCT ON (conversation_id) id, conversation_id, position FROM (
      SELECT id, conversation_id, position FROM runs WHERE user_id = free.user_id AND status = 'queued'
      ORDER BY position LIMIT ${MAX_RUNS_LOOKED_AT}
    ) oldest ORDER BY conversation_id, position
  ) head
  WHERE NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.conversation_id = head.conversation_id AND runs.status = 'running'
  ) ORDER BY position LIMIT cardinality(free.places)`;

/** Decides which node writes which run. Leases are measured by the clock of Postgres only. */
@Injectable()
export class RunClaimStore {
  constructor(
    private readonly database: DatabaseService,
    private readonly config: Config,
  ) {}

  /** Whether the runs of all nodes share a number of slots. */
  get isShared(): boolean {
    return this.config.runs.concurrency !== undefined;
  }

  /** How many runs a node may hold. */
  get mostPerNode(): number {
    return this.config.runs.perNode;
  }

  /**
   * Claims queued runs of idle conversations. Runs of users with fewer running runs go first, then older runs, so that
   * no user waits behind another user's queue.
   */
  async claimQueued(limit: number): Promise<ClaimedRun[]> {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      try {
        return await this.claimWithin(limit);
      } catch (error) {
        // Another node has just taken the same place. The next try sees that it is taken.
        if (!isUniqueViolation(error)) throw error;
      }
    }
    return [];
  }

  /** Takes over runs whose lease has expired. */
  async claimAbandoned(limit: number): Promise<ClaimedRun[]> {
    const rows = await this.query(
      `WITH abandoned AS (
         SELECT id, node FROM runs WHERE status = 'running' AND lease_until < now()
         ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED
       ), claimed AS (
         UPDATE runs SET attempt = runs.attempt + 1, node = $1, lease_until = now() + ${LEASE}
         FROM abandoned WHERE runs.id = abandoned.id RETURNING ${CLAIMED}, abandoned.node AS from_node
       ) SELECT * FROM claimed`,
      [this.config.nodeName, limit],
    );
    return rows.map(toClaimedRun);
  }

  /** With `RESPONDER_CONCURRENCY`, claims of all nodes go one after the other, so that no two use the same free slot. */
  private async claimWithin(limit: number): Promise<ClaimedRun[]> {
    const { concurrency } = this.config.runs;
    if (concurrency === undefined) return this.claimFirst(limit, (sql, values) => this.query(sql, values));
    return this.database.transaction(async (manager) => {
      const query: Query = (sql, values) => manager.query<ClaimedRow[]>(sql, values);
      await manager.query('SELECT pg_advisory_xact_lock($1)', [CLAIM_LOCK]);
      const [running] = await manager.query<{ count: number }[]>(
        `SELECT count(*)::int FROM runs WHERE status = 'running'`,
      );
      const free = Math.min(limit, concurrency - (running?.count ?? 0));
      return free > 0 ? this.claimFirst(free, query) : [];
    });
  }

  private async claimFirst(limit: number, query: Query): Promise<ClaimedRun[]> {
    const rows = await query(
      `WITH RECURSIVE waiting AS (${WAITING_USERS}), free AS (${FREE_PLACES}), next AS (
         SELECT runs.id, free.places[first.turn] AS place
         FROM free CROSS JOIN LATERAL (${FIRST_OF_USER}) first JOIN runs ON runs.id = first.id
         WHERE runs.status = 'queued'
         ORDER BY first.turn - cardinality(free.places), runs.position LIMIT $2 FOR UPDATE OF runs SKIP LOCKED
       ), claimed AS (
         UPDATE runs SET status = 'running', attempt = runs.attempt + 1, node = $1, place = next.place,
           lease_until = now() + ${LEASE}
         FROM next WHERE runs.id = next.id RETURNING ${CLAIMED}
       ) SELECT *, NULL AS from_node FROM claimed`,
      [this.config.nodeName, limit, this.config.runs.perUser],
    );
    return rows.map(toClaimedRun);
  }

  private query(sql: string, values: unknown[]): Promise<ClaimedRow[]> {
    return this.database.run((dataSource) => dataSource.query<ClaimedRow[]>(sql, values));
  }
}

function toClaimedRun(row: ClaimedRow): ClaimedRun {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    userId: row.user_id,
    questionId: row.question_id,
    attempt: row.attempt,
    messageId: row.message_id ?? undefined,
    fromNode: row.from_node ?? undefined,
    isCancelRequested: row.is_cancel_requested,
    ageMs: row.age_ms,
  };
}
