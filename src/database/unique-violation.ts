import { sqlStateOf } from './sqlstate.js';

const UNIQUE_VIOLATION = '23505';

/** True when a row with the same unique value was stored first. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlStateOf(error) === UNIQUE_VIOLATION;
}
