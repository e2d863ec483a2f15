import pg from 'pg';
import { TimeLimit } from '../resilience/time-limit.js';
import type { Pulse } from './pulse.js';

/** Longest time for one statement before the caller gets 503. */
const QUERY_TIMEOUT_MS = 1200;

/**
 * A connection whose statements have a time limit that judges Postgres and not our own event loop. The limit of pg itself
 * (`query_timeout`) gives a statement up before an answer that has arrived is read.
 */
export class TimedClient extends pg.Client {
  private readonly pulse: Pulse;

  constructor(config: pg.ClientConfig & { pulse: Pulse }) {
    super(config);
    this.pulse = config.pulse;
  }

  // As `query`: pg's own limit does not wait for what has arrived.
  override connect(callback?: (...outcome: never[]) => void): never {
    const connected = super.connect();
    const stop = this.pulse.limitWait(() => {
      this.connection.stream.destroy(new Error('timeout expired'));
    });
    const heard = (): void => this.pulse.beat();
    this.connection.on('message', heard);
    const end = (error?: Error): void => {
      stop();
      this.connection.off('message', heard);
      (callback as ((error?: Error) => void) | undefined)?.(error);
    };
    connected.then(() => end(), end);
    return connected as never;
  }

  // These types fit all the forms in which pg's own method may be called.
  override query(...statement: unknown[]): never {
    const outcome = (super.query as (...statement: unknown[]) => unknown).apply(this, statement);
    if (outcome instanceof Promise) this.limit(outcome);
    return outcome as never;
  }

  /** Postgres cancels a statement earlier than this: it hangs, or the network is cut. No other statement may wait behind. */
  private limit(outcome: Promise<unknown>): void {
    const limit = new TimeLimit(QUERY_TIMEOUT_MS, () => {
      this.connection.stream.destroy(new Error('Query read timeout'));
    });
    outcome.then(
      () => {
        limit.stop();
        this.pulse.beat();
      },
      () => limit.stop(),
    );
  }
}
