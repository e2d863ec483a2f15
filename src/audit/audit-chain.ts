import { hash } from 'node:crypto';
import { storableText } from '../../protocol/text.js';

/** One row of the audit log as it is hashed: `hash` covers all other fields, including the hash of the previous row. */
export interface ChainedRow {
  id: number;
  at: Date;
  event: string;
  user_id: string | null;
  node: string;
  fields: Record<string, unknown>;
  prev_hash: string;
  hash: string;
}

/** A position in the chain: the number and hash of one row. */
export interface ChainLink {
  id: number;
  hash: string;
}

/** The link before the very first row. */
export const GENESIS: ChainLink = { id: 0, hash: '0'.repeat(64) };

/** SHA-256 of the canonical JSON of a row: keys sorted, no spaces, times in ISO 8601 with milliseconds. */
export function hashOf(row: Omit<ChainedRow, 'hash'>): string {
  const { id, at, event, user_id, node, fields, prev_hash } = row;
  // The names in their order, so that only the fields have to be sorted.
  const content =
    `{"at":"${at.toISOString()}","event":${JSON.stringify(event)},"fields":${canonical(fields)},"id":${id},` +
    `"node":${JSON.stringify(node)},"prev_hash":"${prev_hash}","user_id":${JSON.stringify(user_id)}}`;
  return hash('sha256', content, 'hex');
}

/** Chains rows to `head`, in their order. */
export function chained(
  head: ChainLink,
  rows: readonly Omit<ChainedRow, 'id' | 'prev_hash' | 'hash'>[],
): ChainedRow[] {
  let last = head;
  return rows.map((row) => {
    const content = { ...row, id: last.id + 1, prev_hash: last.hash };
    const linked = { ...content, hash: hashOf(content) };
    last = linked;
    return linked;
  });
}

/**
 * Fields as jsonb returns them: without what JSON leaves out, and without NUL and lone surrogates, which JSON allows
 * and Postgres refuses. One such string would block every row behind it.
 */
export function storableFields(fields: Record<string, unknown>): Record<string, unknown> {
  const storable: Record<string, unknown> = {};
  for (const name in fields) {
    const value = fields[name];
    // Nearly all fields are ids: this costs a tenth of a round trip through JSON.
    if (typeof value === 'string') storable[name] = storableText(value);
    else if (value !== undefined) storable[name] = storableValue(value);
  }
  return storable;
}

function storableValue(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  return JSON.parse(JSON.stringify(value), (_key, inner: unknown) =>
    typeof inner === 'string' ? storableText(inner) : inner,
  ) as unknown;
}

/** JSON with sorted keys and without spaces. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`);
  return `{${members.join(',')}}`;
}
