import type { ServerFrame } from '../../protocol/messages.js';
import { ApiError, networkError, problemError } from './errors.js';

interface Request {
  /** The link on which it was sent. */
  via: object;
  resolve(frame: ServerFrame): void;
  reject(error: ApiError): void;
  timer: ReturnType<typeof setTimeout>;
}

/** Frames that wait for the frame that answers them (`re`). */
export class Requests {
  private readonly waiting = new Map<string, Request>();

  constructor(private readonly timeoutMs: number) {}

  open(id: string, via: object): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(networkError('The server did not answer in time'));
      }, this.timeoutMs);
      this.waiting.set(id, { via, resolve, reject, timer });
    });
  }

  /** @returns true when the frame answered one of our frames. */
  settle(frame: ServerFrame): boolean {
    const request = frame.re === undefined ? undefined : this.waiting.get(frame.re);
    if (frame.re === undefined || request === undefined) return false;
    this.waiting.delete(frame.re);
    clearTimeout(request.timer);
    if (frame.type === 'error') request.reject(problemError(frame.data));
    else request.resolve(frame);
    return true;
  }

  /** Rejects what was sent on this link. */
  rejectOf(via: object, error: ApiError): void {
    for (const [id, request] of this.waiting) {
      if (request.via !== via) continue;
      this.waiting.delete(id);
      clearTimeout(request.timer);
      request.reject(error);
    }
  }
}
