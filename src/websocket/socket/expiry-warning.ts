/** How long before its end a socket is warned. */
const WARNING_MS = 60_000;

/**
 * When a socket is to be warned that its time ends: a minute before the end, or after half of a time that is shorter than
 * two minutes. All times are in milliseconds since the epoch, by the clock of Redis.
 * @param sinceMs when the socket opened or was renewed
 */
export function expiryWarningAtMs(sinceMs: number, expiresAtMs: number): number {
  return expiresAtMs - Math.min(WARNING_MS, Math.max(0, expiresAtMs - sinceMs) / 2);
}
