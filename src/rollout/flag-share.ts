import { createHash } from 'node:crypto';
import type { FlagName, FlagValue } from '../config/flags.js';

const RANGE = 2 ** 32;

/**
 * Whether a flag is on for a user. A user's place is a hash of flag and id: it differs between flags and is the same on
 * every node at all times, so that a growing percentage never removes a user. Without a user, the flag is on only at
 * 100 percent.
 */
export function isOnFor(flag: FlagName, { enabled, percent }: FlagValue, userId?: string): boolean {
  if (!enabled || percent <= 0) return false;
  if (percent >= 100) return true;
  return userId !== undefined && placeOf(flag, userId) < percent;
}

/** 0 to just under 100, evenly distributed over all ids. */
function placeOf(flag: FlagName, userId: string): number {
  const digest = createHash('sha256').update(`${flag}/${userId}`).digest();
  return (digest.readUInt32BE() / RANGE) * 100;
}
