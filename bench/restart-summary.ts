import type { RestartReport } from './restart-run.js';

/** The effects of a rolling restart on its clients, in figures. */
export interface RestartSummary {
  clients: number;
  acknowledged: number;
  lost: number;
  doubled: number;
  /** Sockets that ended without a close frame. */
  abnormal: number;
  /** Calls to `/auth`, and tickets that clients minted. */
  signIns: number;
  mints: number;
  /** Sockets by their close code. */
  closes: Record<string, number>;
  /** Dials after a `server.draining`, and those that failed. */
  moves: number;
  refused: number;
  /** Most moves in one second, and most slots that the nodes gave for one second. */
  movesPerSecond: number;
  slotsPerSecond: number;
  nodes: string[];
  faults: string[];
}

export function summaryOf({ ends, clients }: RestartReport): RestartSummary {
  const sockets = clients.flatMap((client) => client.sockets);
  const opened = sockets.filter((socket) => socket.isOpen);
  const moves = clients.flatMap((client) => client.sockets.slice(1));
  const slots = sockets.flatMap((socket) => socket.slotAtMs ?? []);
  const calls = clients.flatMap((client) => client.calls);
  const closes: Record<string, number> = {};
  for (const { closeCode } of opened) {
    if (closeCode !== undefined) closes[closeCode] = (closes[closeCode] ?? 0) + 1;
  }
  const failed = ends.filter(({ code }) => code !== 0).map(({ name, code }) => `${name} ended with ${code}`);
  return {
    clients: clients.length,
    acknowledged: sum(clients.map((client) => client.acknowledged)),
    lost: sum(clients.map((client) => client.lost)),
    doubled: sum(clients.map((client) => client.doubled)),
    abnormal: closes['1006'] ?? 0,
    signIns: calls.filter((call) => call.includes(' /auth')).length,
    mints: calls.filter((call) => call === 'POST /websocket/ticket').length,
    closes,
    moves: moves.length,
    refused: moves.filter((socket) => !socket.isOpen).length,
    movesPerSecond: mostInOneSecond(moves.map((socket) => socket.dialledAtMs)),
    slotsPerSecond: mostInOneSecond(slots),
    nodes: ends.map(({ name, code, ms }) => `${name}: code ${code} after ${ms} ms`),
    faults: [...failed, ...clients.flatMap((client) => client.faults)],
  };
}

/** The greatest number of these moments within one second. */
function mostInOneSecond(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  let [most, from] = [0, 0];
  for (const [index, time] of sorted.entries()) {
    while (time - (sorted[from] ?? time) >= 1000) from += 1;
    most = Math.max(most, index - from + 1);
  }
  return most;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
