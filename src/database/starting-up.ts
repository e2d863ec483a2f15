import { sqlStateOf } from './sqlstate.js';

/** SQLSTATE `cannot_connect_now`: the server is starting, recovering or shutting down. */
const CANNOT_CONNECT_NOW = '57P03';

/** True when Postgres refuses connections because it is starting, not because it is shutting down. */
export function isStartingUp(error: unknown): boolean {
  if (sqlStateOf(error) !== CANNOT_CONNECT_NOW) return false;
  return !/shutting down/.test((error as Error).message);
}
