/**
 * Every close code of Admit One (RFC 6455 section 7.4). The hundreds determine the policy, so that an old client
 * handles a new code: 41xx reconnect now with a new ticket, 44xx stop, 45xx reconnect with backoff.
 */

export const CLOSE_CODES = {
  normal: 1000,
  going_away: 1001,
  protocol_error: 1002,
  unsupported_data: 1003,
  invalid_payload: 1007,
  policy_violation: 1008,
  frame_too_large: 1009,
  service_restart: 1012,
  auth_expired: 4100,
  rebalance: 4101,
  handoff_done: 4103,
  bad_frame: 4400,
  forbidden: 4403,
  conversation_not_found: 4404,
  replaced: 4409,
  session_revoked: 4410,
  connection_limit: 4413,
  internal: 4500,
  dependency_unavailable: 4503,
  slow_consumer: 4508,
  heartbeat_timeout: 4509,
  rate_limited: 4529,
} as const;

/**
 * Codes that no close frame carries (RFC 6455 section 7.4.1): reported when the frame had no code, and when there was
 * no frame.
 */
export const REPORTED_CODES = { no_status: 1005, abnormal: 1006 } as const;

export type CloseName = keyof typeof CLOSE_CODES;
export type CloseCode = (typeof CLOSE_CODES)[CloseName];

/** What a client does after a close: reconnect at once, stop, or reconnect with backoff. */
export type ReconnectPolicy = 'now' | 'backoff' | 'stop';

export function reconnectPolicy(code: number): ReconnectPolicy {
  if (code >= 4100 && code < 4200) return code === CLOSE_CODES.handoff_done ? 'stop' : 'now';
  if (code >= 4400 && code < 4500) return 'stop';
  if (code >= 4500 && code < 4600) return 'backoff';
  switch (code) {
    case CLOSE_CODES.normal:
    case CLOSE_CODES.protocol_error:
    case CLOSE_CODES.unsupported_data:
    case CLOSE_CODES.invalid_payload:
    case CLOSE_CODES.policy_violation:
      return 'stop';
    default:
      // 1001, 1006, 1012 and any code of a proxy: the network or a process failed, but access was not revoked. After 1009
      // only one frame was wrong: what else waits must not be lost with it.
      return 'backoff';
  }
}

/** RFC 6455 section 5.5: a control frame carries at most 125 bytes, so a close reason has 123. */
export const MAX_CLOSE_REASON_BYTES = 123;

/** `name` or `name;key=value`, ASCII, cut to what a close frame can carry. */
export function closeReason(name: CloseName, detail?: { readonly [key: string]: string | number }): string {
  let reason: string = name;
  for (const [key, value] of Object.entries(detail ?? {})) {
    reason += `;${key}=${String(value).replace(/[^\x21-\x3a\x3c-\x7e]/g, '_')}`;
  }
  return reason.slice(0, MAX_CLOSE_REASON_BYTES);
}
