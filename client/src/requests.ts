import type { ServerFrame } from '../../protocol/messages.js';
import { ApiError, networkError, problemError } from './errors.js';
import { startLimit } from './time-limit.js';

interface Request {
  /** The link on which it was sent. */
  via: object;
  resolve(frame: ServerFrame): void;
  reject(error: ApiError): void;
  stopLimit(): void;
}

/** Frames that wait for the frame that answers them (`re`). */
export class Requests {
  private readonly waiting = new Map<string, Request>();

  constructor(private readonly timeoutMs: number) {}

  open(id: string, via: object): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      const stopLimit = startLimit(this.timeoutMs, () => {
        this.waiting.delete(id);
        reject(networkError('The server did not answer in time'));
      });
      this.waiting.set(id, { via, resolve, reject, stopLimit });
    });
  }

  /** @returns true when the frame answered one of our frames. */
  settle(frame: ServerFrame): boolean {
    const request = frame.re === undefined ? undefined : this.waiting.get(frame.re);
    if (frame.re === undefined || request === undefined) return false;
    this.waiting.delete(frame.re);
    request.stopLimit();
    if (frame.type === 'error') request.reject(problemError(frame.data));
    else request.resolve(frame);
    return true;
  }

  /** Rejects what was sent on this link. */
  rejectOf(via: object, error: ApiError): void {
    for (const [id, request] of this.waiting) {
      if (request.via !== via) continue;
      this.waiting.delete(id);
      request.stopLimit();
      request.reject(error);
    }
  }
}
