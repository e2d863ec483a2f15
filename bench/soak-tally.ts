import { CLOSE_CODES, REPORTED_CODES } from '../protocol/close-codes.js';
import { type BenchSocket, Refused } from './bench-client.js';

/** The counts of all clients. */
export class SoakTally {
  /** Steps that succeeded, by name. */
  readonly done = new Map<string, number>();
  /** Refused steps, by `step: code`. */
  readonly refused = new Map<string, number>();
  /** Sockets by their close code. */
  readonly closes = new Map<string, number>();
  /** Faults, as text. */
  readonly faults = new Map<string, number>();
  /** How long sockets were open, by the kind of client. */
  readonly lengthsMs = new Map<string, number[]>();
  /** Sign-ins that were not ended. */
  abandoned = 0;
  /** Sockets that expired before they were renewed. */
  overdue = 0;

  /** Counts one step; a refusal is counted by its code and rethrown. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      count(this.done, name);
      return result;
    } catch (error) {
      if (error instanceof Refused) count(this.refused, `${name}: ${error.code}`);
      throw error;
    }
  }

  fault(what: string): void {
    count(this.faults, what);
  }

  /** Counts the end of a socket when it comes. */
  watch(kind: string, socket: BenchSocket, wanted: () => number): void {
    const openedAtMs = performance.now();
    void socket.over.then((code) => {
      count(this.closes, String(code));
      const lengths = this.lengthsMs.get(kind) ?? [];
      this.lengthsMs.set(kind, lengths);
      lengths.push(performance.now() - openedAtMs);
      if (code === wanted()) return;
      if (code === CLOSE_CODES.auth_expired) this.overdue += 1;
      else this.fault(`a socket of "${kind}" closed with ${code}, not ${wanted()}`);
    });
  }

  get abnormal(): number {
    return this.closes.get(String(REPORTED_CODES.abnormal)) ?? 0;
  }

  /** How often these steps were refused; by default all steps. */
  refusals(...names: string[]): number {
    return [...this.refused]
      .filter(([key]) => names.length === 0 || names.some((name) => key.startsWith(`${name}: `)))
      .reduce((sum, [, times]) => sum + times, 0);
  }

  /** The share of these steps that succeeded; 1 when none was tried. */
  success(...names: string[]): number {
    const done = names.reduce((sum, name) => sum + (this.done.get(name) ?? 0), 0);
    const failed = this.refusals(...names);
    return done + failed === 0 ? 1 : done / (done + failed);
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
