import { QueryFailedError } from 'typeorm';

/** SQLSTATE `cannot_connect_now`: the server starts, recovers, or shuts down. */
const CANNOT_CONNECT_NOW = '57P03';

/** True when Postgres says that it takes no connection yet, rather than none any more. */
export function isStartingUp(error: unknown): boolean {
  const failure: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (!(failure instanceof Error) || !('code' in failure)) return false;
  return failure.code === CANNOT_CONNECT_NOW && !/shutting down/.test(failure.message);
}
