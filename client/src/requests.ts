import type { ServerFrame } from '../../protocol/messages.js';
import { ApiError, networkError, problemError } from './errors.js';

interface Request {
  resolve(frame: ServerFrame): void;
  reject(error: ApiError): void;
  timer: ReturnType<typeof setTimeout>;
}

/** Frames that wait for the frame that answers them (`re`). */
export class Requests {
  private readonly waiting = new Map<string, Request>();

  constructor(private readonly timeoutMs: number) {}

  open(id: string): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(networkError('The server did not answer in time'));
      }, this.timeoutMs);
      this.waiting.set(id, { resolve, reject, timer });
    });
  }

  /** @returns true when the frame answered one of ours. */
  settle(frame: ServerFrame): boolean {
    const request = frame.re === undefined ? undefined : this.waiting.get(frame.re);
    if (frame.re === undefined || request === undefined) return false;
    this.waiting.delete(frame.re);
    clearTimeout(request.timer);
    if (frame.type === 'error') request.reject(problemError(frame.data));
    else request.resolve(frame);
    return true;
  }

  rejectAll(error: ApiError): void {
    for (const request of this.waiting.values()) {
      clearTimeout(request.timer);
      request.reject(error);
    }
    this.waiting.clear();
  }
}
