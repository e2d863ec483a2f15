import { QueryFailedError } from 'typeorm';

const UNDEFINED_TABLE = '42P01';

/** True when the schema was never created. */
export function isMissingTable(error: unknown): boolean {
  return (
    error instanceof QueryFailedError && (error.driverError as { code?: string }).code === UNDEFINED_TABLE
  );
}
