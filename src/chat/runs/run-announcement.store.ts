import { Injectable } from '@nestjs/common';
import type { DurableEvent } from '../../../protocol/messages.js';
import type { MessageStatus } from '../../../protocol/resources.js';
import { DatabaseService } from '../../database/database.service.js';
import { EVENT_COLUMNS, type EventRow, toEvent } from '../history/event-row.js';

/** The last event of a run, and the answer that it ended. */
export interface UnannouncedEnd {
  event: DurableEvent;
  text: string;
  status: MessageStatus;
}

/** How long a node has to publish the end of a run before other nodes publish it instead. */
export const ANNOUNCEMENT_LEASE = "interval '2 seconds'";

/** The log is searched from the run's message on: no event of the run comes before it. */
const JOIN_END_EVENT = `
  JOIN messages ON messages.id = runs.message_id
  JOIN events ON events.conversation_id = runs.conversation_id AND events.seq > messages.seq
    AND events.type IN ('run.completed', 'run.failed', 'run.cancelled') AND events.data->>'run_id' = runs.id::text`;

/** Records which ends of runs were published. */
@Injectable()
export class RunAnnouncementStore {
  constructor(private readonly database: DatabaseService) {}

  /** The event that ended a run, if the given attempt ended it. */
  async endOf(runId: string, attempt: number): Promise<DurableEvent[] | undefined> {
    const rows = await this.query<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM runs ${JOIN_END_EVENT} WHERE runs.id = $1 AND runs.attempt = $2`,
      [runId, attempt],
    );
    return rows.length === 0 ? undefined : rows.map(toEvent);
  }

  /** Ends that were not confirmed as published, for the caller to publish. Other nodes skip them for 2 s. */
  async takeUnannouncedEnds(limit: number): Promise<UnannouncedEnd[]> {
    const rows = await this.query<EventRow & { content: string; status: MessageStatus }>(
      `WITH overdue AS (
         SELECT id FROM runs WHERE announce_after < now() ORDER BY announce_after LIMIT $1 FOR UPDATE SKIP LOCKED
       ), runs AS (
         UPDATE runs SET announce_after = now() + ${ANNOUNCEMENT_LEASE} FROM overdue WHERE runs.id = overdue.id
         RETURNING runs.id, runs.conversation_id, runs.message_id
       ) SELECT ${EVENT_COLUMNS}, messages.content, messages.status FROM runs ${JOIN_END_EVENT}`,
      [limit],
    );
    return rows.map(({ content, status, ...row }) => ({ event: toEvent(row), text: content, status }));
  }

  /** Records that the ends of these runs were published. */
  async confirm(ids: readonly string[]): Promise<void> {
    await this.query(`UPDATE runs SET announce_after = NULL WHERE id = ANY($1::uuid[])`, [ids]);
  }

  private query<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return this.database.run((dataSource) => dataSource.query<Row[]>(sql, values));
  }
}
