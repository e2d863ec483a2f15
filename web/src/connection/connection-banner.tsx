import type { ConnectionState } from '../../../client/src/index.js';

/** Says why there is no connection, and offers to reconnect. */
export function ConnectionBanner({ state, connect }: { state: ConnectionState; connect: () => void }) {
  if (state.name !== 'waiting' && state.name !== 'stopped') return null;
  if (state.cause === undefined) return null;
  return (
    <div className="connection-banner">
      <p role="alert">{state.cause.message.replace(/\.$/, '')}.</p>
      <button type="button" className="button small" onClick={connect}>
        {state.name === 'waiting' ? 'Try now' : 'Connect again'}
      </button>
    </div>
  );
}
