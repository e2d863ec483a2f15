/** The resources in HTTP responses and frames. Times are ISO 8601 in UTC with milliseconds, ids are UUIDs. */

export type Role = 'user' | 'admin';

export interface User {
  id: string;
  email: string;
  role: Role;
  display_name: string;
}

/** `POST /auth/login`, `/auth/refresh` and `/auth/exchange`. */
export interface SignIn {
  access_token: string;
  token_type: 'Bearer';
  /** Seconds until the access token expires. */
  expires_in: number;
  refresh_token: string;
  session_id: string;
  user: User;
}

/** `GET /auth/me`. */
export interface Me {
  user: User;
  session_id: string;
  /** When the access token expires. */
  expires_at: string;
}

/** `GET /auth/sessions`: where this account is signed in. */
export interface OwnSession {
  id: string;
  /** For example "Firefox on Linux", from the user agent at sign-in. */
  device: string;
  created_at: string;
  last_seen_at: string;
  /** True for the session that made the request. */
  current: boolean;
}

export type TicketPurpose = 'connect' | 'refresh';

/** `POST /websocket/ticket`. */
export interface IssuedTicket {
  /** 32 random bytes in base64url. Shown only in this response. */
  ticket: string;
  /** `tkt_…`: names the ticket in receipts and logs; not a secret. */
  ticket_id: string;
  /** In seconds. */
  expires_in: number;
  expires_at: string;
  /** WebSocket URL without the ticket: append `?ticket=`. */
  url: string;
  protocol: 'chat.v1';
  server_time: string;
}

export type TicketState = 'pending' | 'consumed' | 'rejected' | 'expired' | 'revoked';

/** `GET /websocket/tickets/{ticket_id}`: what became of a ticket. */
export interface Receipt {
  ticket_id: string;
  state: TicketState;
  /** Why it was rejected. */
  code?: string;
  /** When it entered this state. */
  at: string;
  connection_id?: string;
  /** How the connection that it opened was closed. */
  close?: { code: number; reason: string };
}

export interface Conversation {
  id: string;
  title: string;
  last_seq: number;
  created_at: string;
  updated_at: string;
}

export type MessageRole = 'user' | 'assistant';
export type MessageStatus = 'complete' | 'streaming' | 'failed' | 'cancelled';

export interface Message {
  id: string;
  role: MessageRole;
  content: string;
  status: MessageStatus;
  /** `seq` of the event that created it. */
  seq: number;
  run_id?: string;
  parent_id?: string;
  client_message_id?: string;
  created_at: string;
  /** In frames only: `content` is cut because the whole does not fit. Over HTTP it is whole. */
  truncated?: true;
}

/** `GET /conversations/{id}/messages`, oldest first. */
export interface MessagePage {
  messages: Message[];
  has_more: boolean;
}

/** `POST /conversations/{id}/messages`, and with `client_message_id` the `message.accepted` frame. */
export interface AcceptedMessage {
  message_id: string;
  seq: number;
  run_id: string;
  /** True if this `client_message_id` was accepted before: the ids are then those of the first time. */
  duplicate: boolean;
}

/** `GET /admin/flags`. */
export interface Flag {
  name: string;
  enabled: boolean;
  /** Percentage of users for whom an enabled flag is on, 0 to 100; 100 for a plain on/off flag. */
  percent: number;
  /** Its state from the settings, used until an administrator changes it. */
  default: { enabled: boolean; percent: number };
  source: 'default' | 'runtime';
  description: string;
  /** Day after which the flag must be removed. */
  remove_after: string;
  updated_at?: string;
  /** Id of the administrator who changed it. */
  updated_by?: string;
}
