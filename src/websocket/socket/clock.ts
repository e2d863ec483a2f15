import { redisNow } from '../../redis/redis-clock.js';

let lastMs = 0;
let lastText = '';

/** The time as frames carry it. Frames of one millisecond share the text: making it costs as much as a small frame. */
export function timestamp(): string {
  const now = redisNow();
  if (now !== lastMs) {
    lastMs = now;
    lastText = new Date(now).toISOString();
  }
  return lastText;
}
