import { ERRORS, type ErrorCode, type ErrorRow } from '../../protocol/errors.js';

export interface AppErrorOptions {
  /** What was expected and what was received, for the client. Never a credential. */
  detail?: string;
  cause?: unknown;
  /** Milliseconds to wait before a retry, for codes whose retry rule is `after`. */
  retryAfterMs?: number;
  /** Overrides the row's HTTP status where HTTP has a more exact one, such as 415 or 426. */
  status?: number;
  /** Headers for an HTTP response, such as the state of a limit. */
  headers?: Readonly<Record<string, string>>;
  /** Trace id of the log line for this error, if it was already logged. */
  traceId?: string | undefined;
}

/** An expected failure, named by its code. Its texts for HTTP, upgrades and frames come from `protocol/errors.ts`. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly detail: string;
  readonly retryAfterMs: number;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Trace id of the log line for this error; set when it is logged, and sent in the response. */
  traceId: string | undefined;

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    const row = ERRORS[code];
    const limit = Error.stackTraceLimit;
    // A stack trace costs microseconds, which add up in a flood of refusals, and an expected failure does not need it.
    if (row.status < 500) Error.stackTraceLimit = 0;
    super(options.detail ?? row.title, { cause: options.cause });
    Error.stackTraceLimit = limit;
    this.detail = options.detail ?? row.title;
    this.retryAfterMs = options.retryAfterMs ?? (row.retry === 'after' ? 1000 : 0);
    this.status = options.status ?? row.status;
    this.headers = options.headers ?? {};
    this.traceId = options.traceId;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}
