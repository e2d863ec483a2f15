import { isUuid } from '../../../protocol/messages.js';

/** Where a page of conversations ended: the sort key of its last conversation. */
export interface ConversationCursor {
  createdAt: string;
  id: string;
}

/** Opaque to clients, so that the sort order can change without breaking them. */
export function encodeCursor({ createdAt, id }: ConversationCursor): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

/** `undefined` for a text that `encodeCursor` did not make. */
export function decodeCursor(cursor: string): ConversationCursor | undefined {
  const [createdAt = '', id = '', ...rest] = Buffer.from(cursor, 'base64url').toString('latin1').split(' ');
  const isOurs =
    rest.length === 0 && isUuid(id) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(createdAt);
  return isOurs && !Number.isNaN(Date.parse(createdAt)) ? { createdAt, id } : undefined;
}
