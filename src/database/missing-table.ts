import { AppError } from '../errors/app-error.js';
import { sqlStateOf } from './sqlstate.js';

const UNDEFINED_TABLE = '42P01';

/** True when the schema was never created. */
export function isMissingTable(error: unknown): boolean {
  return sqlStateOf(error instanceof AppError ? error.cause : error) === UNDEFINED_TABLE;
}
