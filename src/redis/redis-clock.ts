/** What one question about the time has shown. */
export interface ClockReading {
  /** Time of Redis in milliseconds since the epoch, minus `performance.now()` in the middle of the round trip. */
  offsetMs: number;
  /** Half the round trip: Redis read its clock at some moment in it. */
  errorMs: number;
  /** `performance.now()` when it was taken. */
  takenMs: number;
}

/** A better reading than any later one still gives way to a later one after this: two clocks drift apart. */
const READING_LIFE_MS = 10_000;

/** One for the process, as the clock of the machine is. */
let current: ClockReading | undefined;

/**
 * The time by the clock of Redis, in milliseconds since the epoch: for each time that another node may have written, or may
 * read. It does not jump when the clock of this machine is set. Until Redis was asked once it is the machine's own.
 */
export function redisNow(): number {
  return current === undefined ? Date.now() : Math.floor(performance.now() + current.offsetMs);
}

/** How far the clock of this machine is ahead of that of Redis, in milliseconds; negative when it is behind. */
export function clockSkewMs(): number {
  return current === undefined ? 0 : Date.now() - (performance.now() + current.offsetMs);
}

/** Takes a reading over, unless the one before is as true and more exact. */
export function takeReading(next: ClockReading): void {
  if (current === undefined || isBetter(next, current)) current = next;
}

function isBetter(next: ClockReading, known: ClockReading): boolean {
  if (next.errorMs <= known.errorMs || next.takenMs - known.takenMs > READING_LIFE_MS) return true;
  // Both cannot be true: the clock of Redis was set, or another Redis is the master now.
  return Math.abs(next.offsetMs - known.offsetMs) > next.errorMs + known.errorMs;
}
