import type { ApiError } from '../../../client/src/index.js';

export function FormError({ error }: { error: ApiError | undefined }) {
  if (error === undefined) return null;
  return (
    <p className="form-error" role="alert">
      {textOf(error)}
    </p>
  );
}

function textOf(error: ApiError): string {
  if (error.code === 'credentials_invalid') return 'The e-mail address or the password is wrong.';
  if (error.retryAfterMs > 0) {
    return `${error.message}. Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.`;
  }
  if (error.code === 'validation_failed' && error.detail) return error.detail;
  return `${error.message}.`;
}
