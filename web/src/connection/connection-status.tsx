import type { ConnectionState } from '../../../client/src/index.js';
import { Countdown } from './countdown.js';

/** The state of the connection, as text. */
export function ConnectionStatus({ state }: { state: ConnectionState }) {
  return (
    <p className="connection" data-state={state.name}>
      <span className="connection-dot" aria-hidden="true" />
      {/* Announced once per state; the countdown beside it changes every second. */}
      <span className="visually-hidden" role="status">
        {wordsOf(state)}
      </span>
      <span aria-hidden="true">
        {state.name === 'waiting' ? <Countdown until={state.retryAt} /> : wordsOf(state)}
      </span>
    </p>
  );
}

function wordsOf(state: ConnectionState): string {
  switch (state.name) {
    case 'idle':
      return 'Not connected';
    case 'minting':
    case 'connecting':
      return 'Connecting…';
    case 'open':
      return `Connected to node ${state.ready.node}`;
    case 'waiting':
      return 'Reconnecting soon';
    case 'stopped':
      return 'Disconnected';
  }
}
