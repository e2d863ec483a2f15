import { randomUUID } from 'node:crypto';

/** 32 lower-case hex digits, the shape of a W3C trace id. */
export function newTraceId(): string {
  // Node generates UUIDs in batches; random bytes cost a system call each time.
  return randomUUID().replaceAll('-', '');
}
