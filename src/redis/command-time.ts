import type { Command } from 'ioredis';
import { TimeLimit } from '../resilience/time-limit.js';

/** What a command gets at most beyond its time when our own event loop was busy: an upgrade has to be decided in time. */
const MAX_EXTRA_MS = 400;

/** What ioredis keeps of a command; it clears the timer when the command settles. */
export interface TimedCommand {
  readonly isSettled: boolean;
  reject(error: Error): void;
  _commandTimeoutTimer?: NodeJS.Timeout | undefined;
}

/**
 * Limits the time of a command.
 * @param limitMs from now; a silent Redis costs this much
 */
export function limitTime(command: Command, limitMs: number): void {
  watchTime(command as unknown as TimedCommand, limitMs);
}

export function watchTime(command: TimedCommand, limitMs: number): void {
  // Redirected or sent again, it keeps the limit that it has. ioredis' own timer would not wait for the replies.
  if (command._commandTimeoutTimer !== undefined) return;
  const over = (): void => {
    if (!command.isSettled) command.reject(new Error('Command timed out'));
  };
  command._commandTimeoutTimer = new TimeLimit(limitMs, over, MAX_EXTRA_MS).timer;
}
