import type { ServerFrame } from '../../protocol/messages.js';
import type { ConnectionState } from './connection-state.js';
import type { ApiError } from './errors.js';
import type { HttpOptions } from './http.js';
import type { SocketLike } from './link.js';

export interface ChatClientOptions extends HttpOptions {
  /** Called when only signing in again helps; nothing is tried after it. */
  onAuthError?: (error: ApiError) => void;
  /** Attempts in a row before giving up. Default 20: about four minutes. */
  maxAttempts?: number;
  /** How long a connection must last, in ms, before the budget of attempts is full again. Default 10,000. */
  stableAfterMs?: number;
  /** Limit for a handshake, and for the answer to a frame, in ms. Default 10,000. */
  frameTimeoutMs?: number;
  createSocket?: (url: string, protocol: string) => SocketLike;
  random?: () => number;
}

export interface ChatClientEvents {
  state: ConnectionState;
  /** Every frame except `ready` and `server.draining`; durable events once each and in order. */
  frame: ServerFrame;
  /** Events of this conversation were missed: load it over HTTP, then `subscribe` again. */
  stale: string;
  /** An error that answers no frame of ours. */
  error: ApiError;
}
