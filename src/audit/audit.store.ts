import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { DatabaseService } from '../database/database.service.js';
import { chained, type ChainLink, storableFields } from './audit-chain.js';

export interface AuditRow {
  at: Date;
  event: string;
  userId: string | undefined;
  node: string;
  fields: Record<string, unknown>;
}

/** Which earlier rows make a new row unnecessary. */
export interface SaidBefore {
  /** Name of the field that identifies the subject of a row. */
  key: string;
  unless: readonly string[];
  /** Older rows are ignored. */
  since: Date;
}

/** Below the client's own limit on a statement, so that Postgres ends the wait and the connection stays usable. */
const LOCK_TIMEOUT = '800ms';

/** The only writer of the audit log: rows are chained while the lock on the head is held. */
@Injectable()
export class AuditStore {
  constructor(private readonly database: DatabaseService) {}

  /** Appends rows in their order, in one transaction. */
  async append(rows: readonly AuditRow[]): Promise<void> {
    await this.database.transaction(async (manager) => {
      await chain(manager, await lockedHead(manager), rows);
    });
  }

  /** Appends the rows whose subjects have no such earlier row. @returns the appended rows */
  appendUnsaid(rows: readonly AuditRow[], said: SaidBefore): Promise<readonly AuditRow[]> {
    return this.database.transaction(async (manager) => {
      // Under the lock on the head, so that no other node appends the same rows in between.
      const head = await lockedHead(manager);
      const known = await subjectsSaid(manager, rows, said);
      const unsaid = rows.filter(({ fields }) => !known.has(fields[said.key]));
      await chain(manager, head, unsaid);
      return unsaid;
    });
  }

  /**
   * Removes the oldest rows, up to the first that is not older than `before`, and keeps their last link as an anchor.
   * The removal is itself recorded as a row, so that other deletions cannot pass for retention.
   * @returns the number of removed rows, `limit` at most.
   */
  prune(before: Date, limit: number, node: string): Promise<number> {
    return this.database.transaction(async (manager) => {
      const head = await lockedHead(manager);
      const last = await lastPrunable(manager, before, limit);
      if (last === undefined) return 0;
      await manager.query(`SELECT set_config('admit_one.audit_retention', 'on', true)`);
      const [, removed] = await manager.query<[unknown, number]>('DELETE FROM audit_log WHERE id <= $1', [
        last.id,
      ]);
      const at = new Date();
      await manager.query('INSERT INTO audit_anchor (upto, hash, at) VALUES ($1, $2, $3)', [
        last.id,
        last.hash,
        at,
      ]);
      const fields = { upto: last.id, hash: last.hash, rows: removed };
      await chain(manager, head, [{ at, event: 'audit.pruned', userId: undefined, node, fields }]);
      return removed;
    });
  }
}

/** The newest link; no other node appends until this transaction ends. */
async function lockedHead(manager: EntityManager): Promise<ChainLink> {
  await manager.query(`SELECT set_config('lock_timeout', $1, true)`, [LOCK_TIMEOUT]);
  // Read under the row's lock: Postgres reads the row again after a wait, so this is never an older head.
  const [head] = await manager.query<{ id: string; hash: string }[]>(
    'SELECT id, hash FROM audit_head FOR UPDATE',
  );
  if (head === undefined) throw new Error('audit_head is empty: the end of the audit chain was removed');
  return { id: Number(head.id), hash: head.hash };
}

async function chain(manager: EntityManager, head: ChainLink, rows: readonly AuditRow[]): Promise<void> {
  const links = chained(
    head,
    rows.map(({ at, event, userId, node, fields }) => ({
      at,
      event,
      user_id: userId?.toLowerCase() ?? null,
      node,
      fields: storableFields(fields),
    })),
  );
  const newest = links.at(-1);
  if (newest === undefined) return;
  // One parameter of JSON costs the node less than eight arrays.
  await manager.query(
    `INSERT INTO audit_log (id, at, event, user_id, node, fields, prev_hash, hash)
     SELECT id, at, event, user_id, node, fields, prev_hash, hash FROM jsonb_to_recordset($1::jsonb)
       AS link (id bigint, at timestamptz, event text, user_id uuid, node text, fields jsonb, prev_hash text, hash text)`,
    [JSON.stringify(links)],
  );
  await manager.query('UPDATE audit_head SET id = $1, hash = $2', [newest.id, newest.hash]);
}

async function subjectsSaid(
  manager: EntityManager,
  rows: readonly AuditRow[],
  { key, unless, since }: SaidBefore,
): Promise<ReadonlySet<unknown>> {
  const said = await manager.query<{ subject: string }[]>(
    `SELECT fields->>$1 AS subject FROM audit_log
     WHERE user_id = ANY($2::uuid[]) AND at >= $3 AND event = ANY($4) AND fields->>$1 = ANY($5)`,
    [key, rows.map(({ userId }) => userId), since, unless, rows.map(({ fields }) => fields[key])],
  );
  return new Set(said.map(({ subject }) => subject));
}

/** Nodes' clocks differ a little, so ids and times are not in quite the same order: rows are removed by id. */
async function lastPrunable(
  manager: EntityManager,
  before: Date,
  limit: number,
): Promise<ChainLink | undefined> {
  const [row] = await manager.query<{ id: string; hash: string }[]>(
    `SELECT id, hash FROM (SELECT id, hash FROM audit_log ORDER BY id LIMIT $2) oldest
     WHERE id < coalesce((SELECT min(id) FROM audit_log WHERE at >= $1), 9223372036854775807)
     ORDER BY id DESC LIMIT 1`,
    [before, limit],
  );
  return row === undefined ? undefined : { id: Number(row.id), hash: row.hash };
}
