import type { Command } from 'ioredis';

/** A timer that fires later than this shows that our own event loop was busy. */
const LATE_MS = 20;
/** What a command gets beyond its time when the event loop was busy, at least and at most. */
const MIN_EXTRA_MS = 50;
const MAX_EXTRA_MS = 400;

/** What ioredis keeps of a command; it clears the timer when the command settles. */
export interface TimedCommand {
  readonly isSettled: boolean;
  reject(error: Error): void;
  _commandTimeoutTimer?: NodeJS.Timeout | undefined;
}

/**
 * Limits the time of a command, which judges Redis and not our own event loop: replies that arrived while the loop was busy are
 * read before the command is given up, and a command that a busy loop sent late gets more time, once.
 * @param limitMs from now; a silent Redis costs this much
 */
export function limitTime(command: Command, limitMs: number): void {
  const timed = command as unknown as TimedCommand;
  // Redirected or sent again, it keeps the limit that it has. ioredis' own timer would not wait for the replies.
  if (timed._commandTimeoutTimer === undefined) watchTime(timed, limitMs, true);
}

export function watchTime(command: TimedCommand, limitMs: number, mayExtend: boolean): void {
  const dueMs = performance.now() + limitMs;
  command._commandTimeoutTimer = setTimeout(() => {
    const lateMs = performance.now() - dueMs;
    // After the timers the loop reads from its sockets, and only then calls this.
    setImmediate(() => {
      if (command.isSettled) return;
      if (mayExtend && lateMs > LATE_MS)
        watchTime(command, Math.min(MAX_EXTRA_MS, Math.max(MIN_EXTRA_MS, lateMs)), false);
      else command.reject(new Error('Command timed out'));
    });
  }, limitMs);
}
