import { ApiError } from './errors.js';

export interface AccessTokenRequest {
  /** True when the token must outlive the one in use, because it renews a connection. */
  fresh: boolean;
  signal?: AbortSignal;
}

/** Supplied by the application; only it stores tokens. Reject with an `ApiError` to say what went wrong. */
export type GetAccessToken = (request: AccessTokenRequest) => Promise<string | null | undefined>;

// Older front ends sent these without a token: a variable converted to text, or a placeholder never replaced.
const PLACEHOLDERS: readonly string[] = ['null', 'undefined', 'token_placeholder'];

export function isUsableToken(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && !PLACEHOLDERS.includes(value.trim());
}

/** @throws ApiError `token_missing`, kind `auth`, before anything is sent. */
export async function takeAccessToken(
  getAccessToken: GetAccessToken,
  request: AccessTokenRequest,
): Promise<string> {
  const token: unknown = await getAccessToken(request);
  if (isUsableToken(token)) return token;
  throw new ApiError({
    kind: 'auth',
    code: 'token_missing',
    message: 'You are not signed in',
    detail: 'getAccessToken() must give an access token',
    retry: 'none',
  });
}
