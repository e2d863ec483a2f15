/** The nouns of the HTTP answers, which frames carry as well. Times are ISO 8601 in UTC with milliseconds, ids are UUIDs. */

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
  /** Seconds until the access token ends. */
  expires_in: number;
  refresh_token: string;
  session_id: string;
  user: User;
}

/** `GET /auth/me`. */
export interface Me {
  user: User;
  session_id: string;
  /** End of the access token. */
  expires_at: string;
}

/** `GET /auth/sessions`: where somebody is signed in with this account. */
export interface OwnSession {
  id: string;
  /** Such as "Firefox on Linux", from the user agent of the sign-in. */
  device: string;
  created_at: string;
  last_seen_at: string;
  /** The one that asks. */
  current: boolean;
}

export type TicketPurpose = 'connect' | 'refresh';

/** `POST /websocket/ticket`. */
export interface IssuedTicket {
  /** 32 random bytes in base64url: the only time that anybody sees it. */
  ticket: string;
  /** `tkt_…`: names the ticket in receipts and logs, opens nothing. */
  ticket_id: string;
  /** Seconds. */
  expires_in: number;
  expires_at: string;
  /** Where to dial, without the ticket: append `?ticket=`. */
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
  /** When it came into this state. */
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
  /** Of the event that created it. */
  seq: number;
  run_id?: string;
  parent_id?: string;
  client_message_id?: string;
  created_at: string;
  /** In frames only: `content` is the beginning, since the whole does not fit. Over HTTP it is whole. */
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
  /** True when this `client_message_id` was accepted before: then the ids are those of the first time. */
  duplicate: boolean;
}

/** `GET /admin/flags`. */
export interface Flag {
  name: string;
  enabled: boolean;
  /** Share of the users for whom an enabled flag is on, 0 to 100; 100 for a flag that knows only on and off. */
  percent: number;
  /** What it is, by the settings, while no administrator has changed it. */
  default: { enabled: boolean; percent: number };
  source: 'default' | 'runtime';
  description: string;
  /** Day after which the flag is to be deleted. */
  remove_after: string;
  updated_at?: string;
  /** Id of the administrator who changed it. */
  updated_by?: string;
}
