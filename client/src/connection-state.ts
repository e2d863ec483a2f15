import type { ApiError } from './errors.js';
import type { Ready } from './link.js';

/**
 * State of the client. `minting` and `connecting` are one attempt; `waiting` is the pause before the next one;
 * `stopped` lasts until `connect()`, with a cause unless the application closed it.
 */
export type ConnectionState =
  | { readonly name: 'idle' }
  | { readonly name: 'minting' }
  | { readonly name: 'connecting' }
  | { readonly name: 'open'; readonly ready: Ready }
  | {
      readonly name: 'waiting';
      readonly cause: ApiError;
      /** Epoch milliseconds of the next attempt. */
      readonly retryAt: number;
    }
  | { readonly name: 'stopped'; readonly cause?: ApiError };
