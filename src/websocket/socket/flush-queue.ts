interface Flushable {
  flush(): void;
}

const waiting: Flushable[] = [];
let isScheduled = false;

/**
 * Writes all frames of one turn of the event loop in one write per socket: the system call is most of a frame's
 * cost.
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
