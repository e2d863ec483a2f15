interface Flushable {
  flush(): void;
}

const waiting: Flushable[] = [];
let isScheduled = false;

/**
 * Frames of one turn of the event loop leave in one write per socket: one system call for a burst, which is what most
 * of a frame costs.
 */
export function flushSoon(socket: Flushable): void {
  waiting.push(socket);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(flushAll);
}

function flushAll(): void {
  isScheduled = false;
  for (const socket of waiting.splice(0)) socket.flush();
}
