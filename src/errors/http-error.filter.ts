import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppLogger } from '../observability/logger.js';
import { newTraceId, problemHeaders, toAppError, toProblem } from './problem.js';

/** Every error of an HTTP route, of ours, of Nest's or of Fastify's, as one problem object. */
@Catch()
@Injectable()
export class HttpErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: AppLogger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const error = toAppError(thrown);
    const path = request.url.split('?', 1)[0] ?? '/';
    const problem = toProblem(error, path, newTraceId());
    if (error.code === 'internal') {
      this.logger.critical('request.broken', {
        method: request.method,
        path,
        trace_id: problem.trace_id,
        error: thrown instanceof Error ? thrown.stack : String(thrown),
      });
    }
    void reply.status(error.status).headers(problemHeaders(error)).send(JSON.stringify(problem));
  }
}
