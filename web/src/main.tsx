import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ChatApi } from '../../client/src/index.js';
import { AuthSession } from './auth/auth-session.js';
import { App } from './page/app.js';
import { ErrorBoundary } from './page/error-boundary.js';
import './styles/base.css';
import './styles/controls.css';

const api = new ChatApi({
  baseUrl: location.origin,
  getAccessToken: (request) => session.getAccessToken(request),
  onAuthError: (error) => session.expire(error),
});
const session: AuthSession = new AuthSession({ api, storage: sessionStorage });

const root = document.getElementById('root');
if (root === null) throw new Error('expected an element with the id "root" in index.html');

createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <App session={session} api={api} />
    </ErrorBoundary>
  </StrictMode>,
);

// Outside the component tree, which may mount twice: the stored refresh token must be used only once.
void session.restore();
