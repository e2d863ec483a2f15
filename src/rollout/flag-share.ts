import { createHash } from 'node:crypto';
import type { FlagName, FlagValue } from '../config/flags.js';

const RANGE = 2 ** 32;

/**
 * Whether a flag is on for a user. A user's place is a hash of flag and id: the same on every node and at every time, so
 * that a growing percentage takes nobody out again, and another one for each flag. Without a user, only "on for
 * everybody" is on.
 */
export function isOnFor(flag: FlagName, { enabled, percent }: FlagValue, userId?: string): boolean {
  if (!enabled || percent <= 0) return false;
  if (percent >= 100) return true;
  return userId !== undefined && placeOf(flag, userId) < percent;
}

/** 0 to just under 100, even over all ids. */
function placeOf(flag: FlagName, userId: string): number {
  const digest = createHash('sha256').update(`${flag}/${userId}`).digest();
  return (digest.readUInt32BE() / RANGE) * 100;
}
