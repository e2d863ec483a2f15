import type { DurableEvent, DurableEventType } from '../../../protocol/messages.js';

/** An event as stored in the log. */
export interface EventRow {
  conversation_id: string;
  seq: string;
  type: DurableEventType;
  data: Record<string, unknown>;
  ts: Date;
}

export const EVENT_COLUMNS = 'events.conversation_id, events.seq, events.type, events.data, events.ts';

export function toEvent(row: EventRow): DurableEvent {
  // The code that stored this type determined the shape of `data`.
  return { ...row, seq: Number(row.seq), ts: row.ts.toISOString() } as unknown as DurableEvent;
}
