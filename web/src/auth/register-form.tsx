import { ApiError } from '../../../client/src/index.js';
import type { AuthSession } from './auth-session.js';
import { Field } from './field.js';
import { FormError } from './form-error.js';
import { useSubmit } from './use-submit.js';

interface RegisterFormProps {
  session: AuthSession;
  /** The server takes no registrations. */
  closed: () => void;
}

export function RegisterForm({ session, closed }: RegisterFormProps) {
  const { isBusy, error, onSubmit } = useSubmit(async (field) => {
    try {
      await session.register(field('email'), field('password'), field('name').trim());
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.code === 'registration_closed')) throw thrown;
      closed();
    }
  });
  return (
    <form onSubmit={onSubmit} aria-label="Create an account">
      <Field
        label="E-mail"
        name="email"
        type="email"
        autoComplete="username"
        maxLength={254}
        required
        autoFocus
      />
      <Field label="Name (optional)" name="name" autoComplete="name" maxLength={100} />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="new-password"
        hint="12 to 128 characters"
        minLength={12}
        maxLength={128}
        required
      />
      <FormError error={error} />
      <button type="submit" className="button primary wide" aria-busy={isBusy}>
        {isBusy ? 'Creating the account…' : 'Create the account'}
      </button>
    </form>
  );
}
