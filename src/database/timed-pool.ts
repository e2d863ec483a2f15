import pg from 'pg';
import { Pulse } from './pulse.js';

type Done = Parameters<Parameters<pg.Pool['connect']>[0]>;

/**
 * A pool in which the wait for a connection judges Postgres, and neither our own event loop nor the number of callers. The
 * limit of pg-pool itself (`connectionTimeoutMillis`) gives a connection up before an answer that has arrived is read.
 */
export class TimedPool extends pg.Pool {
  private readonly pulse: Pulse;

  constructor(config: pg.PoolConfig) {
    const pulse = new Pulse();
    // The pool hands its settings to each of its clients.
    const settings = { ...config, connectionTimeoutMillis: 0, pulse };
    super(settings);
    this.pulse = pulse;
  }

  // These types fit both forms of pg's own method; TypeORM calls the one with a callback.
  override connect(callback?: (...outcome: Done) => void): never {
    if (callback === undefined) throw new TypeError('expected a callback');
    let isOver = false;
    const stop = this.pulse.limitWait(() => {
      isOver = true;
      const error = new Error('timeout exceeded when trying to connect');
      callback(error, undefined, () => undefined);
    });
    super.connect((...outcome) => {
      stop();
      // Nobody waits for it any more.
      if (isOver) outcome[2]();
      else callback(...outcome);
    });
    return undefined as never;
  }
}
