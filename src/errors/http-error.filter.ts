import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import type { AppError } from './app-error.js';
import { problemHeaders, toAppError, toProblem } from './problem.js';

/** Maximum length of a client's path in the log. */
const MAX_LOGGED_PATH = 200;

/** Sends every error of an HTTP route (ours, Nest's or Fastify's) as one problem object. */
@Catch()
@Injectable()
export class HttpErrorFilter implements ExceptionFilter {
  constructor(private readonly refusals: RefusalLogService) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const error = toAppError(thrown);
    const path = request.url.split('?', 1)[0] ?? '/';
    const problem = toProblem(error, path, this.log(error, thrown, request.method, path, request.ip));
    void reply.status(error.status).headers(problemHeaders(error)).send(JSON.stringify(problem));
  }

  /** Logs a malformed request, which has no method or path yet. @returns the trace id of the line */
  logMalformed(error: AppError, address: string | undefined): string {
    return this.log(error, error, '', '', address);
  }

  private log(
    error: AppError,
    thrown: unknown,
    method: string,
    path: string,
    address: string | undefined,
  ): string {
    const { code, status, detail } = error;
    const fields = { reason: code, status, method, path: path.slice(0, MAX_LOGGED_PATH), address };
    if (code === 'internal') {
      const stack = thrown instanceof Error ? thrown.stack : String(thrown);
      return this.refusals.write('critical', 'request.broken', String(stack).slice(0, 200), address, {
        ...fields,
        error: stack,
      });
    }
    // The code that refused it may have logged it already, with more details.
    return (
      error.traceId ??
      this.refusals.write('warn', 'request.refused', `${status} ${code}`, address, { ...fields, detail })
    );
  }
}
