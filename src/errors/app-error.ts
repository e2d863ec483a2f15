import { ERRORS, type ErrorCode, type ErrorRow } from '../../protocol/errors.js';

export interface AppErrorOptions {
  /** What was expected and what came, for whoever sent it. Never a credential. */
  detail?: string;
  cause?: unknown;
  /** Milliseconds to wait before another try; for the codes whose retry rule is `after`. */
  retryAfterMs?: number;
  /** Overrides the row's HTTP status where the protocol of HTTP has a more exact one, such as 415 or 426. */
  status?: number;
  /** Headers for an HTTP answer, such as the state of a limit. */
  headers?: Readonly<Record<string, string>>;
  /** Of the log line that tells of it, where there is one already. */
  traceId?: string | undefined;
}

/** An expected failure, named by its code. What HTTP, the upgrade and frames say about it comes from `protocol/errors.ts`. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly detail: string;
  readonly retryAfterMs: number;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the log line that tells of it; set by whoever logs it, and sent by whoever answers. */
  traceId: string | undefined;

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    const row = ERRORS[code];
    const limit = Error.stackTraceLimit;
    // A stack costs microseconds that a flood of refusals would multiply, and says nothing about an expected failure.
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
