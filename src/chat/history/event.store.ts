import { Injectable } from '@nestjs/common';
import type { DurableEvent } from '../../../protocol/messages.js';
import { DatabaseService } from '../../database/database.service.js';
import { EVENT_COLUMNS, type EventRow, toEvent } from './event-row.js';

/** Reads the log. The code that writes it is in `acceptance.store.ts` and `run-event.store.ts`. */
@Injectable()
export class EventStore {
  constructor(private readonly database: DatabaseService) {}

  async after(conversationId: string, seq: number, limit: number): Promise<DurableEvent[]> {
    const rows = await this.query(
      `SELECT ${EVENT_COLUMNS} FROM events WHERE conversation_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
      [conversationId, seq, limit],
    );
    return rows.map(toEvent);
  }

  /** Events stored at `time` or later (by the storing node's clock), among the newest `limit`. */
  async since(conversationId: string, time: Date, limit: number): Promise<DurableEvent[]> {
    const rows = await this.query(
      `SELECT * FROM (
         SELECT ${EVENT_COLUMNS} FROM events WHERE conversation_id = $1 ORDER BY seq DESC LIMIT $3
       ) newest WHERE ts >= $2 ORDER BY seq`,
      [conversationId, time, limit],
    );
    return rows.map(toEvent);
  }

  /** The tool events of a run, oldest first. */
  async toolEventsOf(runId: string): Promise<DurableEvent[]> {
    const rows = await this.query(
      `SELECT ${EVENT_COLUMNS} FROM runs
       JOIN messages ON messages.id = runs.message_id
       JOIN events ON events.conversation_id = runs.conversation_id AND events.seq > messages.seq
       WHERE runs.id = $1 AND events.type IN ('tool.call', 'tool.result') AND events.data->>'run_id' = runs.id::text
       ORDER BY events.seq`,
      [runId],
    );
    return rows.map(toEvent);
  }

  private query(sql: string, values: unknown[]): Promise<EventRow[]> {
    return this.database.run((dataSource) => dataSource.query<EventRow[]>(sql, values));
  }
}
