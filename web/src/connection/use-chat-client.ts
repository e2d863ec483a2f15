import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { ChatClient, type ConnectionState } from '../../../client/src/index.js';
import type { AuthSession } from '../auth/auth-session.js';

export interface Connection {
  client: ChatClient;
  state: ConnectionState;
  /** The server's name for the model; kept while the connection is down. */
  responder: string | undefined;
  /** The last message of the server that belongs to no conversation. */
  notice: string | undefined;
  dismissNotice: () => void;
}

/** The page's one connection: it stays as long as the chat is shown. */
export function useChatClient(session: AuthSession): Connection {
  const [client] = useState(
    () =>
      new ChatClient({
        baseUrl: location.origin,
        getAccessToken: (request) => session.getAccessToken(request),
        onAuthError: session.expire,
      }),
  );
  const [responder, setResponder] = useState<string>();
  const [notice, setNotice] = useState<string>();

  useEffect(() => {
    const stops = [
      client.on('state', (state) => {
        if (state.name === 'open') setResponder(state.ready.responder.label);
      }),
      client.on('error', (error) => setNotice(error.message)),
      client.on('frame', (frame) => {
        if (frame.type === 'notice') setNotice(frame.data.detail);
      }),
    ];
    client.connect();
    return () => {
      for (const stop of stops) stop();
      client.close();
    };
  }, [client]);

  const onState = useCallback((changed: () => void) => client.on('state', changed), [client]);
  const state = useSyncExternalStore(onState, () => client.state);
  return { client, state, responder, notice, dismissNotice: () => setNotice(undefined) };
}
