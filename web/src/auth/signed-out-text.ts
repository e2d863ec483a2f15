import type { ApiError } from '../../../client/src/index.js';

const TEXTS: Readonly<Record<string, string>> = {
  refresh_reused:
    'This sign-in was used in two windows at once, for example in a duplicated tab, so it was ended for safety. Please sign in again.',
  session_revoked:
    'Your session was ended: signed out elsewhere, or by an administrator. Please sign in again.',
  session_expired: 'Your session has expired. Please sign in again.',
  token_expired: 'Your session has expired. Please sign in again.',
  user_disabled: 'This account is disabled.',
  forbidden: 'Your rights have changed. Please sign in again.',
};

/** Why the sign-in form is shown. */
export function signedOutText(error: ApiError): string {
  return TEXTS[error.code] ?? `${error.message}. Please sign in again.`;
}

export const UNTOLD =
  'You are signed out here, but the server could not be told. Your session there ends by itself after 30 minutes.';
