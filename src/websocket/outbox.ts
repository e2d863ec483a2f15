import type { AuthenticatedSocket } from './authenticated-socket.js';

const waiting: AuthenticatedSocket[] = [];
let isScheduled = false;

/**
 * Frames of one turn of the event loop leave in one write per socket: one system call for a burst, which is what most
 * of a frame costs.
 */
export function flushSoon(socket: AuthenticatedSocket): void {
  waiting.push(socket);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(flushAll);
}

function flushAll(): void {
  isScheduled = false;
  for (const socket of waiting.splice(0)) socket.flush();
}
