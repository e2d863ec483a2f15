import type { Problem } from '../../protocol/errors.js';
import { rememberCode } from './seen-codes.js';

export interface Answer<Body> {
  status: number;
  headers: Headers;
  body: Body;
}

export interface RequestOptions {
  /** Access token for `Authorization: Bearer`. */
  token?: string;
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  /** Expected status; with any other the call fails and names the problem. */
  expect?: number;
}

const LIMIT_MS = 15_000;

/** One HTTP request. The body is parsed when it is JSON, otherwise it is the text, or undefined when empty. */
export async function request<Body = Problem>(
  method: string,
  url: string,
  options: RequestOptions = {},
): Promise<Answer<Body>> {
  const headers = new Headers(options.headers);
  if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
  if (options.body !== undefined) headers.set('content-type', 'application/json');
  const response = await fetch(url, {
    method,
    headers,
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    redirect: 'manual',
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const text = await response.text();
  if (options.expect !== undefined && response.status !== options.expect) {
    throw new Error(`${method} ${url}: expected ${options.expect}, got ${response.status} ${text}`);
  }
  const body = parse(text, response);
  rememberCode(body);
  return { status: response.status, headers: response.headers, body: body as Body };
}

function parse(text: string, response: Response): unknown {
  if (text === '') return undefined;
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
  return isJson ? JSON.parse(text) : text;
}
