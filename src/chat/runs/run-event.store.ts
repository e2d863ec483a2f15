import { Injectable } from '@nestjs/common';
import type { DurableEvent, DurableEventData, DurableEventType, RunEnd } from '../../../protocol/messages.js';
import type { MessageStatus } from '../../../protocol/resources.js';
import { DatabaseService } from '../../database/database.service.js';
import { ANNOUNCEMENT_LEASE } from './run-announcement.store.js';
import type { RunStatus } from './run.entity.js';

/** Names the attempt that writes. A write from an attempt that has ended changes nothing. */
export interface Fence {
  id: string;
  conversationId: string;
  attempt: number;
}

/** An event without its `seq`, which the store assigns; it also fills in `message.seq` of a `message.created`. */
export type NewEvent = { [T in DurableEventType]: { type: T; data: DurableEventData[T] } }[DurableEventType];

/** The result of storing an entry. */
export interface Stored {
  events: DurableEvent[];
  /** True when another run of the user is waiting, perhaps for this one to end. */
  isAwaited: boolean;
}

/** Events that are stored together. */
export interface LogEntry {
  /** ISO 8601. */
  at: string;
  events: readonly NewEvent[];
}

export interface RunOutcome {
  status: Extract<RunStatus, 'completed' | 'failed' | 'cancelled'>;
  messageStatus: MessageStatus;
  content: string;
  end: RunEnd;
}

const INSERT_ANSWER =
  'INSERT INTO messages (id, conversation_id, user_id, role, content, status, seq, run_id, parent_id, created_at)';

const INSERT_ENDED_ANSWER = `${INSERT_ANSWER}
  SELECT $7, $1, run.user_id, 'assistant', $10, $9, numbered.before + 1, $2, run.question_id, $6 FROM run, numbered`;
const END_ANSWER =
  'UPDATE messages SET content = $10, status = $9 FROM run WHERE messages.id = run.message_id';

/**
 * Adds the events of runs to the log. Each method is one statement and so one transaction, and returns `undefined` when
 * the attempt has ended. All lock the conversation before the run, as accepting a question does, so they cannot
 * deadlock.
 */
@Injectable()
export class RunEventStore {
  constructor(private readonly database: DatabaseService) {}

  append(fence: Fence, entry: LogEntry): Promise<Stored | undefined> {
    return this.write(fence, entry, {
      run: `SELECT runs.id FROM runs, conversation WHERE ${isCurrent('running')} FOR NO KEY UPDATE OF runs`,
    });
  }

  /** Starts the answer: stores an empty message and its events. */
  start(fence: Fence, messageId: string, entry: LogEntry): Promise<Stored | undefined> {
    const statements = {
      run: `UPDATE runs SET message_id = $7, started_at = $6 FROM conversation WHERE ${isCurrent('running')}
            RETURNING runs.user_id, runs.question_id`,
      message: `${INSERT_ANSWER}
        SELECT $7, $1, run.user_id, 'assistant', '', 'streaming', numbered.before + 1, $2, run.question_id, $6
        FROM run, numbered`,
    };
    return this.write(fence, entry, statements, [messageId]);
  }

  /**
   * Ends the answer and stores its whole text.
   * @param unstarted the run's state if it ends before its answer began: the answer is then created, so that the end
   * event has a message to refer to
   */
  end(
    fence: Fence,
    outcome: RunOutcome,
    entry: LogEntry,
    unstarted?: 'queued' | 'running',
  ): Promise<Stored | undefined> {
    const { status, messageStatus, content, end } = outcome;
    const statements = {
      run: endRun(unstarted ?? 'running'),
      message: unstarted === undefined ? END_ANSWER : INSERT_ENDED_ANSWER,
    };
    const values = [end.message_id, status, messageStatus, content, JSON.stringify(end)];
    return this.write(fence, entry, statements, values);
  }

  private async write(
    fence: Fence,
    { at, events }: LogEntry,
    { run, message }: { run: string; message?: string },
    values: unknown[] = [],
  ): Promise<Stored | undefined> {
    const rows = await this.database.run((dataSource) =>
      dataSource.query<{ before: string; is_awaited: boolean }[]>(
        `WITH conversation AS (
           SELECT id, user_id FROM conversations WHERE id = $1 FOR NO KEY UPDATE
         ), run AS (
           ${run}
         ), numbered AS (
           UPDATE conversations SET last_seq = last_seq + cardinality($4::text[]), updated_at = $6 FROM run
           WHERE conversations.id = $1
           RETURNING last_seq - cardinality($4::text[]) AS before
         ), stored AS (
           INSERT INTO events (conversation_id, seq, type, data, ts)
           SELECT $1, numbered.before + ordinal, type, CASE type
               WHEN 'message.created' THEN jsonb_set(data, '{message,seq}', to_jsonb(numbered.before + ordinal))
               ELSE data END, $6
           FROM numbered, unnest($4::text[], $5::jsonb[]) WITH ORDINALITY AS given (type, data, ordinal)
         )${message === undefined ? '' : `, message AS (${message})`}
         SELECT before, EXISTS (
           SELECT 1 FROM runs WHERE runs.user_id = conversation.user_id AND runs.status = 'queued'
         ) AS is_awaited FROM numbered, conversation`,
        [
          fence.conversationId,
          fence.id,
          fence.attempt,
          events.map(({ type }) => type),
          events.map(({ data }) => JSON.stringify(data)),
          at,
          ...values,
        ],
      ),
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    return {
      events: numbered(events, fence.conversationId, Number(row.before), at),
      isAwaited: row.is_awaited,
    };
  }
}

function isCurrent(status: 'queued' | 'running'): string {
  return `runs.id = $2 AND runs.attempt = $3 AND runs.status = '${status}' AND runs.conversation_id = conversation.id`;
}

function endRun(from: 'queued' | 'running'): string {
  return `UPDATE runs SET status = $8, outcome = $11, message_id = $7, ended_at = $6,
            lease_until = NULL, announce_after = now() + ${ANNOUNCEMENT_LEASE}
          FROM conversation WHERE ${isCurrent(from)}
          RETURNING runs.user_id, runs.question_id, runs.message_id`;
}

function numbered(
  events: readonly NewEvent[],
  conversationId: string,
  before: number,
  ts: string,
): DurableEvent[] {
  return events.map((event, index) => {
    const seq = before + index + 1;
    const entry = { conversation_id: conversationId, seq, ts };
    if (event.type !== 'message.created') return { ...event, ...entry };
    return { ...event, ...entry, data: { message: { ...event.data.message, seq } } };
  });
}
