import { useState } from 'react';
import { Brand } from '../page/brand.js';
import type { AuthSession } from './auth-session.js';
import { RegisterForm } from './register-form.js';
import { SignInForm } from './sign-in-form.js';
import '../styles/sign-in.css';

interface SignInPageProps {
  session: AuthSession;
  /** Why the last session ended, unless the user signed out. */
  reason: string | undefined;
}

export function SignInPage({ session, reason }: SignInPageProps) {
  const [form, setForm] = useState<'sign-in' | 'register'>('sign-in');
  const [isClosed, setClosed] = useState(false);

  return (
    <main className="page-centre">
      <div className="sign-in">
        <Brand />
        <h1>{form === 'sign-in' ? 'Sign in' : 'Create an account'}</h1>
        {reason !== undefined && (
          <p className="banner" role="status">
            {reason}
          </p>
        )}
        {isClosed && (
          <p className="banner" role="alert">
            Registration is closed on this server. Ask its administrator for an account.
          </p>
        )}
        {form === 'sign-in' ? (
          <SignInForm session={session} />
        ) : (
          <RegisterForm
            session={session}
            closed={() => {
              setClosed(true);
              setForm('sign-in');
            }}
          />
        )}
        {/* Whether registration is open is known only after an attempt. */}
        {!isClosed && (
          <p className="sign-in-switch">
            {form === 'sign-in' ? 'No account yet?' : 'You have an account?'}{' '}
            <button
              type="button"
              className="text-button"
              onClick={() => setForm(form === 'sign-in' ? 'register' : 'sign-in')}
            >
              {form === 'sign-in' ? 'Create an account' : 'Sign in'}
            </button>
          </p>
        )}
      </div>
    </main>
  );
}
