import { HttpException } from '@nestjs/common';
import type { Problem } from '../../protocol/errors.js';
import { AppError } from './app-error.js';

/** Media type of RFC 9457. */
export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/**
 * The problem object of an error.
 * @param instance path of the request, without its query string: a query may carry a credential.
 */
export function toProblem(error: AppError, instance: string, traceId: string): Problem {
  return {
    type: `/problems/${error.code}`,
    title: error.row.title,
    status: error.status,
    detail: error.detail,
    instance,
    code: error.code,
    trace_id: traceId,
    retry: error.row.retry,
    retry_after_ms: error.retryAfterMs,
  };
}

/** Headers of every problem response. */
export function problemHeaders(error: AppError): Record<string, string> {
  const headers: Record<string, string> = {
    ...error.headers,
    'content-type': PROBLEM_JSON,
    'cache-control': 'no-store',
  };
  if (error.retryAfterMs > 0) headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000));
  // RFC 9110 section 11.6.1: a 401 names the scheme to use.
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  return headers;
}

/** Any thrown value as an `AppError`; an unexpected one becomes `internal` and keeps its cause for the log. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const status = httpStatusOf(thrown);
  switch (status) {
    case 400:
      return new AppError('validation_failed', { detail: messageOf(thrown), cause: thrown });
    case 404:
    case 405:
      return new AppError('not_found', { detail: 'There is nothing at this address', cause: thrown });
    case 415:
      return new AppError('validation_failed', {
        detail: 'expected a body in JSON, with "Content-Type: application/json"',
        cause: thrown,
        status,
      });
    case 408:
    case 414:
    case 431:
      return new AppError('validation_failed', { detail: messageOf(thrown), cause: thrown, status });
    case 413:
      return new AppError('payload_too_large', { cause: thrown });
    case 503:
      return new AppError('dependency_unavailable', { cause: thrown });
    default:
      return new AppError('internal', { detail: 'The server failed to handle this request', cause: thrown });
  }
}

function httpStatusOf(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  // Fastify's own errors (malformed JSON, body too large, unsupported media type) carry `statusCode`.
  if (typeof thrown === 'object' && thrown !== null && 'statusCode' in thrown) {
    return typeof thrown.statusCode === 'number' ? thrown.statusCode : 500;
  }
  return 500;
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof HttpException) {
    const response = thrown.getResponse();
    if (typeof response === 'object' && 'message' in response && Array.isArray(response.message)) {
      return response.message.join('; ');
    }
  }
  return thrown instanceof Error ? thrown.message : 'The request cannot be used';
}
