import type { ServerFrame } from '../../protocol/messages.js';
import type { ConnectionState } from './connection-state.js';
import type { ApiError } from './errors.js';
import type { HttpOptions } from './http.js';
import type { SocketLike } from './link.js';

export interface ChatClientOptions extends HttpOptions {
  /** Called when signing in again is the only way on; nothing is tried after it. */
  onAuthError?: (error: ApiError) => void;
  /** Attempts in a row before giving up. Default 20: about four minutes. */
  maxAttempts?: number;
  /** How long a connection must hold before the budget of attempts is full again. Default 10,000. */
  stableAfterMs?: number;
  /** Limit for a handshake, and for the answer to a frame. Default 10,000. */
  frameTimeoutMs?: number;
  createSocket?: (url: string, protocol: string) => SocketLike;
  random?: () => number;
}

export interface ChatClientEvents {
  state: ConnectionState;
  /** Every frame but `ready` and `server.draining`; durable events once each and in order. */
  frame: ServerFrame;
  /** Events of this conversation were missed: load it over HTTP, then `subscribe` again. */
  stale: string;
  /** An error that answers nothing in particular. */
  error: ApiError;
}
