import type { Role } from '../../protocol/resources.js';

/** A session as stored in Redis. Names and the first five fields are part of the contract with operators. */
export interface SessionRecord {
  user_id: string;
  email: string;
  role: Role;
  /** When the session was opened, ISO 8601. */
  connected_at: string;
  /** Where its sockets are opened. */
  websocket_endpoint: string;
  session_id: string;
  display_name: string;
  /** Milliseconds since the epoch at which the session expires, however active it is. */
  absolute_expires_at: number;
  /** `User-Agent` of the sign-in, for the owner's list of sessions. */
  user_agent: string;
}

export type SessionEndReason =
  'logout' | 'signed_out_elsewhere' | 'password_changed' | 'user_disabled' | 'refresh_reused' | 'admin';

/** What every node is told when a session ends. */
export interface EndedSession {
  user_id: string;
  session_id: string;
  reason: SessionEndReason;
  /** Milliseconds since the epoch. */
  ended_at: number;
}

/** What every node is told when the rights of a session change. */
export interface ChangedSession {
  user_id: string;
  session_id: string;
}

/** A live session, and when it was last used. */
export interface ListedSession {
  session: SessionRecord;
  lastSeenAtMs: number;
}
