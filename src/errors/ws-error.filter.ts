import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable } from '@nestjs/common';
import { AppLogger } from '../observability/logger.js';
import type { AppError } from './app-error.js';
import { toAppError } from './problem.js';

/** What every frame handler is given, as far as an error needs it. */
interface FailedFrame {
  socket: { sendError(error: AppError, re?: string): void };
  frame: { id?: string; type: string };
}

/** Answers a frame whose handler threw with an `error` frame, in place of Nest's, which repeats what the client sent. */
@Catch()
@Injectable()
export class WsErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: AppLogger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const { socket, frame } = host.switchToWs().getData<FailedFrame>();
    const error = toAppError(thrown);
    if (error.code === 'internal') {
      this.logger.critical('frame.broken', {
        type: frame.type,
        error: thrown instanceof Error ? thrown.stack : String(thrown),
      });
    }
    socket.sendError(error, frame.id);
  }
}
