import type { AuthSession } from './auth-session.js';
import { Field } from './field.js';
import { FormError } from './form-error.js';
import { useSubmit } from './use-submit.js';

export function SignInForm({ session }: { session: AuthSession }) {
  const { isBusy, error, onSubmit } = useSubmit((field) => session.signIn(field('email'), field('password')));
  return (
    <form onSubmit={onSubmit} aria-label="Sign in">
      <Field label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
      <Field label="Password" name="password" type="password" autoComplete="current-password" required />
      <FormError error={error} />
      <button type="submit" className="button primary wide" aria-busy={isBusy}>
        {isBusy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}
