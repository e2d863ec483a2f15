/** The result of asking Redis for its time once. */
export interface ClockReading {
  /** Time of Redis in milliseconds since the epoch, minus `performance.now()` in the middle of the round trip. */
  offsetMs: number;
  /** Half the round trip: the largest possible error, since Redis read its clock at some moment within it. */
  errorMs: number;
  /** `performance.now()` when it was taken. */
  takenMs: number;
}

/** After this time a later reading replaces a more exact one, because two clocks drift apart. */
const READING_LIFE_MS = 10_000;

/** One for the process, like the clock of the machine. */
let current: ClockReading | undefined;

/**
 * The time by the clock of Redis, in ms since the epoch: for every time that nodes share. It does not jump when
 * the clock of this machine is set. Until Redis was asked once, it is the clock of this machine.
 */
export function redisNow(): number {
  return current === undefined ? Date.now() : Math.floor(performance.now() + current.offsetMs);
}

/** How far the clock of this machine is ahead of that of Redis, in milliseconds; negative when it is behind. */
export function clockSkewMs(): number {
  return current === undefined ? 0 : Date.now() - (performance.now() + current.offsetMs);
}

/** Takes a reading, unless the one before agrees with it and is more exact. */
export function takeReading(next: ClockReading): void {
  if (current === undefined || isBetter(next, current)) current = next;
}

function isBetter(next: ClockReading, known: ClockReading): boolean {
  if (next.errorMs <= known.errorMs || next.takenMs - known.takenMs > READING_LIFE_MS) return true;
  // Both cannot be true: the clock of Redis was set, or another Redis is the master now.
  return Math.abs(next.offsetMs - known.offsetMs) > next.errorMs + known.errorMs;
}
