import { redisNow } from '../../redis/redis-clock.js';

let lastMs = 0;
let lastText = '';

/** Returns the time for frames. It is cached per millisecond: formatting it costs as much as a small frame. */
export function timestamp(): string {
  const now = redisNow();
  if (now !== lastMs) {
    lastMs = now;
    lastText = new Date(now).toISOString();
  }
  return lastText;
}
