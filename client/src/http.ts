import { takeAccessToken, type GetAccessToken } from './access-token.js';
import { startLimit } from './time-limit.js';
import { isProblem, networkError, problemError, statusError, toApiError } from './errors.js';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  /** Origin of the server, for example `https://chat.example`. */
  baseUrl: string;
  getAccessToken: GetAccessToken;
  fetch?: Fetch;
  /** In ms. Default 20,000: a sign-in is queued while many sign in at once. */
  timeoutMs?: number;
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  /** Defaults to a token from `getAccessToken`; `public` sends none. */
  auth?: 'public' | 'fresh' | { token: string };
  signal?: AbortSignal;
}

/** One JSON call over HTTP; every failure is thrown as an `ApiError`. */
export class HttpClient {
  private readonly fetch: Fetch;

  constructor(private readonly options: HttpOptions) {
    this.fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  }

  async call(call: Call): Promise<unknown> {
    try {
      return await this.attempt(call);
    } catch (thrown) {
      // Refused before anything was done. The application's token may have run out on the way, or while the page slept.
      if (call.auth !== undefined || toApiError(thrown).code !== 'token_expired') throw thrown;
      return this.attempt({ ...call, auth: 'fresh' });
    }
  }

  private async attempt(call: Call): Promise<unknown> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (call.auth !== 'public') headers.authorization = `Bearer ${await this.tokenFor(call)}`;
    if (call.body !== undefined) headers['content-type'] = 'application/json';
    const limit = new AbortController();
    const stopLimit = startLimit(this.options.timeoutMs ?? 20_000, () => limit.abort());
    try {
      return await readBody(await this.send(call, headers, limit.signal));
    } finally {
      stopLimit();
    }
  }

  private tokenFor(call: Call): Promise<string> {
    const { getAccessToken } = this.options;
    if (typeof call.auth === 'object') {
      const { token } = call.auth;
      return takeAccessToken(async () => token, { fresh: false });
    }
    return takeAccessToken(getAccessToken, {
      fresh: call.auth === 'fresh',
      ...(call.signal && { signal: call.signal }),
    });
  }

  private async send(call: Call, headers: Record<string, string>, limit: AbortSignal): Promise<Response> {
    const init = {
      method: call.method,
      headers,
      signal: call.signal ? AbortSignal.any([call.signal, limit]) : limit,
      // Credentials are sent in the header only; cookies of the same site are not used.
      credentials: 'omit' as const,
      cache: 'no-store' as const,
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    };
    try {
      return await this.fetch(this.urlOf(call), init);
    } catch (cause) {
      throw networkError(
        limit.aborted ? 'The server did not answer in time' : 'The server cannot be reached',
        cause,
      );
    }
  }

  private urlOf(call: Call): string {
    const url = new URL(call.path, this.options.baseUrl);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url.href;
  }
}

async function readBody(response: Response): Promise<unknown> {
  const body = await readJson(response);
  if (response.ok) {
    if (body === undefined && response.status !== 204) throw statusError(response.status);
    return body;
  }
  throw isProblem(body) ? problemError(body) : statusError(response.status);
}

async function readJson(response: Response): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    throw networkError('The answer of the server broke off', cause);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Empty, or the HTML page of a proxy: only the status is meaningful.
    return undefined;
  }
}
