import pg from 'pg';
import { TimeLimit } from '../resilience/time-limit.js';

/** Longest wait for a connection to Postgres, one that is free or a new one, before the caller gets 503. */
export const CONNECTION_TIMEOUT_MS = 1000;

type Done = Parameters<Parameters<pg.Pool['connect']>[0]>;

/**
 * A pool in which the wait for a connection judges Postgres and not our own event loop. The limit of pg-pool itself
 * (`connectionTimeoutMillis`) gives a connection up before an answer that has arrived is read.
 */
export class TimedPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, connectionTimeoutMillis: 0 });
  }

  // These types fit both forms of pg's own method; TypeORM calls the one with a callback.
  override connect(callback?: (...outcome: Done) => void): never {
    if (callback === undefined) throw new TypeError('expected a callback');
    let isOver = false;
    const limit = new TimeLimit(CONNECTION_TIMEOUT_MS, () => {
      isOver = true;
      const error = new Error('timeout exceeded when trying to connect');
      callback(error, undefined, () => undefined);
    });
    super.connect((...outcome) => {
      limit.stop();
      // Nobody waits for it any more.
      if (isOver) outcome[2]();
      else callback(...outcome);
    });
    return undefined as never;
  }
}
