import { ApiError } from './errors.js';

export interface AccessTokenRequest {
  /** True when the token has to outlive the one in use: it is for renewing a connection. */
  fresh: boolean;
  signal?: AbortSignal;
}

/** Supplied by the application, which alone keeps tokens. Reject with an `ApiError` to say what went wrong. */
export type GetAccessToken = (request: AccessTokenRequest) => Promise<string | null | undefined>;

// What older front ends sent when they had no token: a variable turned into text, or a constant nobody replaced.
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
