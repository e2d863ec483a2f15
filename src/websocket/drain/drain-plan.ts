/** Kept of the drain window for closing handshakes and the end of the process: at most half of it. */
const CLOSING_MS = 1500;
/** So long an unanswered close may take at least, also where the window is shorter. */
const MIN_HANDSHAKE_MS = 500;
/** Kept after the last slot for the sockets that move in it, as a share of the time until the deadline. */
const MOVING_SHARE = 1 / 4;
/** Load balancers need a moment to see that the node is not ready; until then they might send the next socket back here. */
const SETTLE_SHARE = 1 / 10;
const MAX_SETTLE_MS = 1000;
/** A ticket is presented at the latest this long before its end. */
const TICKET_MARGIN_MS = 2000;
/** Sockets that the deadline closes come back at this rate, and not all at once. */
const RETURNS_PER_SECOND = 100;
const MIN_RETURN_SPREAD_MS = 1500;
const MAX_RETURN_SPREAD_MS = 15_000;
const RETURN_BASE_MS = 500;

/** When what happens to the sockets of a node that stops. Milliseconds from the signal. */
export interface DrainPlan {
  /** First and last moment at which a socket is asked to move. */
  firstSlotMs: number;
  lastSlotMs: number;
  /** When those that are left are closed. */
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
 * One moment for each of `count` sockets, in milliseconds from the signal: as many equal parts as there are sockets, and
 * a random moment within each, so that neither a crowd nor a rhythm forms.
 */
export function slotsOf(
  { firstSlotMs, lastSlotMs }: DrainPlan,
  count: number,
  random: () => number = Math.random,
): number[] {
  const partMs = (lastSlotMs - firstSlotMs) / count;
  // The last part may end a rounding error later than its sum says.
  return Array.from({ length: count }, (_, index) =>
    Math.min(lastSlotMs, firstSlotMs + (index + random()) * partMs),
  );
}

/** How long one of `count` sockets that are closed at the same time should wait before it comes back. */
export function returnAfterMs(count: number, random: () => number = Math.random): number {
  const spreadMs = Math.max(MIN_RETURN_SPREAD_MS, (count * 1000) / RETURNS_PER_SECOND);
  return Math.round(RETURN_BASE_MS + random() * Math.min(MAX_RETURN_SPREAD_MS, spreadMs));
}
