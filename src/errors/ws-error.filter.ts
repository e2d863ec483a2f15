import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable } from '@nestjs/common';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import type { AppError } from './app-error.js';
import { toAppError } from './problem.js';

/** The part of a frame handler's arguments that an error needs. */
interface FailedFrame {
  socket: { sendError(error: AppError, re?: string): void };
  frame: { id?: string; type: string };
}

/** Answers a failed frame with our own `error` frame: Nest's would repeat what the client sent. */
@Catch()
@Injectable()
export class WsErrorFilter implements ExceptionFilter {
  constructor(private readonly refusals: RefusalLogService) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const { socket, frame } = host.switchToWs().getData<FailedFrame>();
    const error = toAppError(thrown);
    if (error.code === 'internal') {
      const stack = thrown instanceof Error ? thrown.stack : String(thrown);
      error.traceId = this.refusals.write(
        'critical',
        'frame.broken',
        String(stack).slice(0, 200),
        frame.type,
        {
          reason: error.code,
          type: frame.type,
          error: stack,
        },
      );
    }
    socket.sendError(error, frame.id);
  }
}
