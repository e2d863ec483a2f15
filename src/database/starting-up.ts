import { QueryFailedError } from 'typeorm';

/** SQLSTATE `cannot_connect_now`: the server is starting, recovering or shutting down. */
const CANNOT_CONNECT_NOW = '57P03';

/** True when Postgres refuses connections because it is starting, not because it is shutting down. */
export function isStartingUp(error: unknown): boolean {
  const failure: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (!(failure instanceof Error) || !('code' in failure)) return false;
  return failure.code === CANNOT_CONNECT_NOW && !/shutting down/.test(failure.message);
}
