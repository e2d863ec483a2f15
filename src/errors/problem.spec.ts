import { BadRequestException, HttpException, NotFoundException } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { AppError } from './app-error.js';
import { problemHeaders, toAppError, toProblem } from './problem.js';

describe('a problem', () => {
  it('contains the row of the error table and the details of this error', () => {
    const error = new AppError('rate_limited', { detail: 'more than 3', retryAfterMs: 1200 });
    expect(toProblem(error, '/auth/login', 'trace')).toEqual({
      type: '/problems/rate_limited',
      title: 'Too many requests',
      status: 429,
      detail: 'more than 3',
      instance: '/auth/login',
      code: 'rate_limited',
      trace_id: 'trace',
      retry: 'after',
      retry_after_ms: 1200,
    });
  });

  it('has headers for the media type, no caching, when to retry and how to sign in', () => {
    expect(problemHeaders(new AppError('rate_limited', { retryAfterMs: 1200 }))).toEqual({
      'content-type': expect.stringMatching('application/problem\\+json'),
      'cache-control': 'no-store',
      'retry-after': '2',
    });
    expect(problemHeaders(new AppError('token_missing'))['www-authenticate']).toBe('Bearer');
    expect(problemHeaders(new AppError('draining'))['retry-after']).toBe('1');
    expect(problemHeaders(new AppError('ticket_rejected'))['retry-after']).toBeUndefined();
  });
});

describe('toAppError', () => {
  it.each<[unknown, string, number]>([
    [new AppError('draining'), 'draining', 503],
    [new NotFoundException(), 'not_found', 404],
    [new BadRequestException('no'), 'validation_failed', 400],
    [new HttpException('method', 405), 'not_found', 404],
    [{ statusCode: 413 }, 'payload_too_large', 413],
    [Object.assign(new Error('media'), { statusCode: 415 }), 'validation_failed', 415],
    [{ statusCode: 'x' }, 'internal', 500],
    [new Error('secret inside'), 'internal', 500],
    ['text', 'internal', 500],
    [undefined, 'internal', 500],
  ])('maps %s to the code %s with status %i', (thrown, code, status) => {
    const error = toAppError(thrown);
    expect([error.code, error.status]).toEqual([code, status]);
  });

  it('hides the cause of an internal error from clients, and keeps it for the log', () => {
    const cause = new Error('password=hunter2');
    const error = toAppError(cause);
    expect(JSON.stringify(toProblem(error, '/', 't'))).not.toContain('hunter2');
    expect(error.cause).toBe(cause);
  });
});
