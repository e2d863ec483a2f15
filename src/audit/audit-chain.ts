import { createHash } from 'node:crypto';

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
  const content = { id, at: at.toISOString(), event, user_id, node, fields, prev_hash };
  return createHash('sha256')
    .update(JSON.stringify(sorted(content)))
    .digest('hex');
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
  return JSON.parse(JSON.stringify(fields), (_key, value: unknown) =>
    typeof value === 'string' ? storableText(value) : value,
  ) as Record<string, unknown>;
}

function storableText(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\uFFFD');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
