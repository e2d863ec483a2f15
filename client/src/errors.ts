import { ERRORS, type Problem, type Retry } from '../../protocol/errors.js';

/** Who has to act. `auth`: the user signs in again; `connection`: network; `server`: operator; `request`: caller. */
export type ErrorKind = 'auth' | 'connection' | 'server' | 'request';

export interface ApiErrorInit {
  kind: ErrorKind;
  /** A protocol code, the name of a close code, or a client code: `network`, `attempts_exhausted`, `closed`. */
  code: string;
  message: string;
  retry: Retry;
  retryAfterMs?: number;
  status?: number;
  detail?: string;
  traceId?: string;
  cause?: unknown;
}

/** Every failure that this package reports. Only `retry` decides whether something is tried again. */
export class ApiError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly retry: Retry;
  readonly retryAfterMs: number;
  readonly status: number | undefined;
  readonly detail: string | undefined;
  readonly traceId: string | undefined;

  constructor(init: ApiErrorInit) {
    super(init.message, { cause: init.cause });
    this.name = 'ApiError';
    this.kind = init.kind;
    this.code = init.code;
    this.retry = init.retry;
    this.retryAfterMs = init.retryAfterMs ?? 0;
    this.status = init.status;
    this.detail = init.detail;
    this.traceId = init.traceId;
  }
}

export function problemError(problem: Problem): ApiError {
  return new ApiError({
    kind: kindOf(problem.status, problem.code),
    code: problem.code,
    message: problem.title,
    retry: problem.retry,
    retryAfterMs: problem.retry_after_ms,
    status: problem.status,
    detail: problem.detail,
    traceId: problem.trace_id,
  });
}

/** For a response without a problem object: it came from a proxy, not the server. */
export function statusError(status: number): ApiError {
  return new ApiError({
    kind: kindOf(status, ''),
    code: `http_${status}`,
    message: `The server answered ${status}`,
    retry: status >= 500 || status === 429 ? 'backoff' : 'none',
    status,
  });
}

export function networkError(message: string, cause?: unknown): ApiError {
  return new ApiError({ kind: 'connection', code: 'network', message, retry: 'backoff', cause });
}

/** A frame that the server would refuse. */
export function tooLargeError(bytes: number, maxBytes: number): ApiError {
  const { status, title: message, retry } = ERRORS.payload_too_large;
  const detail = `a frame may have ${maxBytes} bytes, this one has ${bytes}`;
  return new ApiError({ kind: 'request', code: 'payload_too_large', message, detail, retry, status });
}

export function isTooLarge(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.code === 'payload_too_large';
}

/** The conversation was deleted while it was watched. */
export function goneError(): ApiError {
  const { status, title: message, retry } = ERRORS.conversation_not_found;
  return new ApiError({ kind: 'request', code: 'conversation_not_found', message, retry, status });
}

export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'status' in value &&
    typeof value.status === 'number' &&
    'retry' in value &&
    typeof value.retry === 'string'
  );
}

/** Converts a thrown value to an `ApiError`: a callback of the application may reject with anything. */
export function toApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  return networkError(thrown instanceof Error ? thrown.message : 'Something failed on the way', thrown);
}

/** 401 means: sign in. So does a disabled user, although its status is 403. */
export function kindOf(status: number, code: string): ErrorKind {
  if (status === 401 || code === 'user_disabled') return 'auth';
  return status >= 500 ? 'server' : 'request';
}
