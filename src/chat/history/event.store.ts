import { Injectable } from '@nestjs/common';
import type { DurableEvent, DurableEventType } from '../../../protocol/messages.js';
import type { MessageStatus } from '../../../protocol/resources.js';
import { DatabaseService } from '../../database/database.service.js';
import { ANNOUNCEMENT_LEASE } from '../runs/run.store.js';

interface EventRow {
  conversation_id: string;
  seq: string;
  type: DurableEventType;
  data: Record<string, unknown>;
  ts: Date;
}

/** The last event of a run, and the answer that it ended. */
export interface UnannouncedEnd {
  event: DurableEvent;
  text: string;
  status: MessageStatus;
}

const COLUMNS = 'events.conversation_id, events.seq, events.type, events.data, events.ts';

/** Reads the log. What writes it is in `acceptance.store.ts` and `run-event.store.ts`. */
@Injectable()
export class EventStore {
  constructor(private readonly database: DatabaseService) {}

  async after(conversationId: string, seq: number, limit: number): Promise<DurableEvent[]> {
    const rows = await this.query(
      `SELECT ${COLUMNS} FROM events WHERE conversation_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
      [conversationId, seq, limit],
    );
    return rows.map(toEvent);
  }

  /** Those of the newest `limit` events that were stored at `time` or later, by the clock of the node that stored them. */
  async since(conversationId: string, time: Date, limit: number): Promise<DurableEvent[]> {
    const rows = await this.query(
      `SELECT * FROM (
         SELECT ${COLUMNS} FROM events WHERE conversation_id = $1 ORDER BY seq DESC LIMIT $3
       ) newest WHERE ts >= $2 ORDER BY seq`,
      [conversationId, time, limit],
    );
    return rows.map(toEvent);
  }

  /** What the tools of a run did, oldest first. */
  async toolEventsOf(runId: string): Promise<DurableEvent[]> {
    const rows = await this.query(
      `SELECT ${COLUMNS} FROM runs
       JOIN messages ON messages.id = runs.message_id
       JOIN events ON events.conversation_id = runs.conversation_id AND events.seq > messages.seq
       WHERE runs.id = $1 AND events.type IN ('tool.call', 'tool.result') AND events.data->>'run_id' = runs.id::text
       ORDER BY events.seq`,
      [runId],
    );
    return rows.map(toEvent);
  }

  /** The event that ended a run, if that attempt ended it. */
  async endOf(runId: string, attempt: number): Promise<DurableEvent[] | undefined> {
    const rows = await this.query(
      `SELECT ${COLUMNS} FROM runs ${JOIN_END_EVENT} WHERE runs.id = $1 AND runs.attempt = $2`,
      [runId, attempt],
    );
    return rows.length === 0 ? undefined : rows.map(toEvent);
  }

  /** Ends that nobody confirmed to have published, for the caller to publish. Others leave them alone meanwhile. */
  async takeUnannouncedEnds(limit: number): Promise<UnannouncedEnd[]> {
    const rows = await this.query<EventRow & { content: string; status: MessageStatus }>(
      `WITH overdue AS (
         SELECT id FROM runs WHERE announce_after < now() ORDER BY announce_after LIMIT $1 FOR UPDATE SKIP LOCKED
       ), runs AS (
         UPDATE runs SET announce_after = now() + ${ANNOUNCEMENT_LEASE} FROM overdue WHERE runs.id = overdue.id
         RETURNING runs.id, runs.conversation_id, runs.message_id
       ) SELECT ${COLUMNS}, messages.content, messages.status FROM runs ${JOIN_END_EVENT}`,
      [limit],
    );
    return rows.map(({ content, status, ...row }) => ({ event: toEvent(row), text: content, status }));
  }

  private query<Row = EventRow>(sql: string, values: unknown[]): Promise<Row[]> {
    return this.database.run((dataSource) => dataSource.query<Row[]>(sql, values));
  }
}

/** The log is searched from the run's message on: before it there is nothing of the run. */
const JOIN_END_EVENT = `
  JOIN messages ON messages.id = runs.message_id
  JOIN events ON events.conversation_id = runs.conversation_id AND events.seq > messages.seq
    AND events.type IN ('run.completed', 'run.failed', 'run.cancelled') AND events.data->>'run_id' = runs.id::text`;

function toEvent(row: EventRow): DurableEvent {
  // The shape of `data` was decided by whoever stored this type.
  return { ...row, seq: Number(row.seq), ts: row.ts.toISOString() } as unknown as DurableEvent;
}
