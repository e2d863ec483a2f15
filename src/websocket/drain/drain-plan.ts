/** Reserved at the end of the drain window for closing handshakes and process exit: at most half of the window. */
const CLOSING_MS = 1500;
/** Minimum time for an unanswered closing handshake, even if the window is shorter. */
const MIN_HANDSHAKE_MS = 500;
/** Share of the time until the deadline that is reserved after the last slot, for the sockets that move in it. */
const MOVING_SHARE = 1 / 4;
/** Load balancers need time to see that the node is not ready; until then they may route new sockets here. */
const SETTLE_SHARE = 1 / 10;
const MAX_SETTLE_MS = 1000;
/** A ticket must be used at least this long before it expires. */
const TICKET_MARGIN_MS = 2000;
/** Sockets that are closed at the deadline reconnect at this rate, not all at once. */
const RETURNS_PER_SECOND = 100;
const MIN_RETURN_SPREAD_MS = 1500;
const MAX_RETURN_SPREAD_MS = 15_000;
const RETURN_BASE_MS = 500;

/** Schedule for the sockets of a stopping node, in milliseconds from the signal. */
export interface DrainPlan {
  /** First and last moment at which a socket is asked to move. */
  firstSlotMs: number;
  lastSlotMs: number;
  /** When the remaining sockets are closed. */
  deadlineMs: number;
  /** How long they may then take to answer. */
  handshakeMs: number;
}

export function drainPlan(windowMs: number, ticketTtlMs: number): DrainPlan {
  const deadlineMs = Math.max(windowMs / 2, windowMs - CLOSING_MS);
  const firstSlotMs = Math.min(MAX_SETTLE_MS, deadlineMs * SETTLE_SHARE);
  const lastSlotMs = Math.min(deadlineMs * (1 - MOVING_SHARE), ticketTtlMs - TICKET_MARGIN_MS);
  const handshakeMs = Math.max(MIN_HANDSHAKE_MS, windowMs - deadlineMs - MIN_HANDSHAKE_MS);
  return { firstSlotMs, lastSlotMs: Math.max(firstSlotMs, lastSlotMs), deadlineMs, handshakeMs };
}

/**
 * Returns a time for each of `count` sockets, in milliseconds from the signal: a random moment in each of `count` equal
 * parts, so that the sockets move neither in bursts nor in lockstep.
 */
export function slotsOf(
  { firstSlotMs, lastSlotMs }: DrainPlan,
  count: number,
  random: () => number = Math.random,
): number[] {
  const partMs = (lastSlotMs - firstSlotMs) / count;
  // Rounding errors can put the end of the last part after `lastSlotMs`.
  return Array.from({ length: count }, (_, index) =>
    Math.min(lastSlotMs, firstSlotMs + (index + random()) * partMs),
  );
}

/** How long one of `count` sockets that are closed at the same time should wait before it reconnects. */
export function returnAfterMs(count: number, random: () => number = Math.random): number {
  const spreadMs = Math.max(MIN_RETURN_SPREAD_MS, (count * 1000) / RETURNS_PER_SECOND);
  return Math.round(RETURN_BASE_MS + random() * Math.min(MAX_RETURN_SPREAD_MS, spreadMs));
}
