import { randomUUID } from 'node:crypto';

/** 32 lower-case hex digits, the shape of a W3C trace id. */
export function newTraceId(): string {
  // Node makes UUIDs many at a time; random bytes cost a system call each.
  return randomUUID().replaceAll('-', '');
}
