import { isUuid } from '../../../protocol/messages.js';

/** Where a page of conversations ended: where the last one stands in the order. */
export interface ConversationCursor {
  createdAt: string;
  id: string;
}

/** Opaque to clients, so that the order can change without them. */
export function encodeCursor({ createdAt, id }: ConversationCursor): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

/** `undefined` for what was not made by `encodeCursor`. */
export function decodeCursor(cursor: string): ConversationCursor | undefined {
  const [createdAt = '', id = '', ...rest] = Buffer.from(cursor, 'base64url').toString('latin1').split(' ');
  const isOurs =
    rest.length === 0 && isUuid(id) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(createdAt);
  return isOurs && !Number.isNaN(Date.parse(createdAt)) ? { createdAt, id } : undefined;
}
