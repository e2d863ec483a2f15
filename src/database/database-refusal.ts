import { AppError } from '../errors/app-error.js';
import type { SqlStateMeaning } from './sqlstate.js';
import { meaningOf, sqlStateOf } from './sqlstate.js';
import { UnusableDatabaseError } from './postgres-session.js';

/** A reply may repeat what was sent: this many characters of it are logged. */
const MAX_LOGGED = 200;

/** A refusal that is not a fault of this server. */
export interface DatabaseRefusal {
  meaning: SqlStateMeaning;
  fields: { setting: 'DATABASE_URL'; advice?: string; sqlstate: string; reply: string };
}

/** Reads what Postgres refused, and why; undefined when it did not answer, or when the fault is ours. */
export function refusalIn(thrown: unknown): DatabaseRefusal | undefined {
  const error = thrown instanceof AppError ? thrown.cause : thrown;
  if (!(error instanceof Error)) return undefined;
  const { message } = error;
  if (error instanceof UnusableDatabaseError) {
    const meaning = meaningOf(error.code, message) ?? { scope: 'server', advice: message };
    return refusalOf(error.code, message, meaning);
  }
  const sqlState = sqlStateOf(error);
  const meaning = sqlState === undefined ? undefined : meaningOf(sqlState, message);
  return sqlState === undefined || meaning === undefined ? undefined : refusalOf(sqlState, message, meaning);
}

function refusalOf(sqlstate: string, message: string, meaning: SqlStateMeaning): DatabaseRefusal {
  const { advice } = meaning;
  const reply = message.slice(0, MAX_LOGGED);
  return {
    meaning,
    fields: { setting: 'DATABASE_URL', ...(advice !== undefined && { advice }), sqlstate, reply },
  };
}
