import { lazy, Suspense, useSyncExternalStore } from 'react';
import type { ChatApi } from '../../../client/src/index.js';
import type { AuthSession } from '../auth/auth-session.js';
import { SignInPage } from '../auth/sign-in-page.js';
import { Failure } from './failure.js';
import { Loading } from './loading.js';

const ChatPage = lazy(async () => ({ default: (await import('../chat/chat-page.js')).ChatPage }));

interface AppProps {
  session: AuthSession;
  api: ChatApi;
}

/** Renders no part of the chat, and opens no connection, until the user is known. */
export function App({ session, api }: AppProps) {
  const auth = useSyncExternalStore(session.onChange, session.getState);
  switch (auth.name) {
    case 'restoring':
      return <Loading text="Checking your sign-in" isPage />;
    case 'unreachable':
      return (
        <main className="page-centre">
          <Failure
            title="Your sign-in could not be checked"
            error={auth.error}
            retry={() => void session.restore()}
          />
        </main>
      );
    case 'signed-out':
      return <SignInPage session={session} reason={auth.reason} />;
    case 'signed-in':
      return (
        <Suspense fallback={<Loading text="Opening the chat" isPage />}>
          <ChatPage key={auth.user.id} session={session} api={api} user={auth.user} />
        </Suspense>
      );
  }
}
