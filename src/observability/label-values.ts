import { CLOSE_CODES, REPORTED_CODES } from '../../protocol/close-codes.js';
import { type ErrorCode, TOKEN_CODES } from '../../protocol/errors.js';
import type { ServerFrameType } from '../../protocol/messages.js';

/**
 * What can happen to a ticket. `unknown` was not issued by us, `replayed` was used before, `handoff` was made by the
 * server itself.
 */
export const TICKET_EVENTS = [
  'issued',
  'consumed',
  'rejected',
  'expired',
  'revoked',
  'unknown',
  'replayed',
  'limited',
  'handoff',
] as const;
export type TicketEvent = (typeof TICKET_EVENTS)[number];

/** Why a credential or an upgrade is refused. */
export const REFUSAL_REASONS = [
  ...TOKEN_CODES,
  'credentials_invalid',
  'refresh_reused',
  'multiple_credentials',
  'auth_method_disabled',
  'ticket_missing',
  'ticket_malformed',
  'ticket_unknown',
  'ticket_expired',
  'ticket_consumed',
  'ticket_revoked',
  'ticket_binding_origin',
  'ticket_binding_path',
  'ticket_binding_conversation',
  'ticket_binding_client',
  'origin_not_allowed',
  'protocol_unsupported',
  'conversation_not_found',
  'forbidden',
  'rate_limited',
  'connection_limit',
  'frame_invalid',
  'draining',
  'dependency_unavailable',
  'not_found',
  'internal',
] as const satisfies readonly ErrorCode[];

/** The label of a refused upgrade. A code that none of its checks returns is an internal error. */
export function upgradeReason(code: ErrorCode): (typeof REFUSAL_REASONS)[number] {
  return REFUSAL_REASONS.find((reason) => reason === code) ?? 'internal';
}

/** Close codes that are labels of their own; a client may send any other. */
export const KNOWN_CLOSE_CODES: ReadonlySet<number> = new Set([
  ...Object.values(CLOSE_CODES),
  ...Object.values(REPORTED_CODES),
]);

const SERVER_FRAMES: Record<ServerFrameType, true> = {
  ready: true,
  subscribed: true,
  unsubscribed: true,
  resumed: true,
  'message.accepted': true,
  'message.created': true,
  'message.delta': true,
  'message.snapshot': true,
  'run.started': true,
  'run.progress': true,
  'run.takeover': true,
  'run.completed': true,
  'run.failed': true,
  'run.cancelled': true,
  'tool.call': true,
  'tool.result': true,
  'auth.expiring': true,
  'auth.refreshed': true,
  pong: true,
  'session.revoked': true,
  'server.draining': true,
  notice: true,
  error: true,
};

/** Types of sent frames. `other` was published by a node of a later build. */
export const SENT_FRAME_TYPES: readonly string[] = [...Object.keys(SERVER_FRAMES), 'other'];

/** Every limit that can refuse a request. */
export const LIMIT_LABELS = [
  'requests',
  'upgrades',
  'pending_upgrades',
  'logins',
  'failed_logins',
  'messages',
  'registrations',
  'registrations_of_email',
  'hashes',
  'tickets',
  'frames',
] as const;
export type LimitLabel = (typeof LIMIT_LABELS)[number];

/**
 * All values of each label whose list is closed here; paths are those of `AuthReportService`, flags and legacy methods
 * those of the flags, frame types those of the protocol.
 */
export const LABEL_VALUES: Readonly<Record<string, readonly string[]>> = {
  outcome: ['accepted', 'refused', 'completed', 'failed', 'cancelled'],
  reason: ['none', ...REFUSAL_REASONS],
  event: TICKET_EVENTS,
  code: ['other', ...[...KNOWN_CLOSE_CODES].map(String)],
  initiator: ['client', 'server'],
  dependency: ['redis', 'postgres', 'responder'],
  limit: LIMIT_LABELS,
  result: ['recovered', 'reload'],
};
