import type { ClientRequest, IncomingMessage } from 'node:http';
import type { AppError } from '../../errors/app-error.js';
import { TimeLimit } from '../../resilience/time-limit.js';
import { modelUnavailable } from './model-reply.js';

export interface ModelLimits {
  /** Milliseconds from the request to the first token, a thought or a tool call. */
  firstTokenMs: number;
  /** Milliseconds after that in which nothing at all comes. */
  silenceMs: number;
}

/** How long to wait for the end of the response after its last token, so that the connection can be reused. */
const CLOSING_MS = 250;

/** One request and the two things that stop it: the caller's signal and a time limit. */
export class ModelExchange {
  /** Set when a time limit stopped it. */
  failure: AppError | undefined;
  private readonly beganMs = performance.now();
  private state: 'waiting' | 'writing' | 'done' = 'waiting';
  private request: ClientRequest | undefined;
  private limit: TimeLimit | undefined;
  private readonly stop = (): void => {
    this.request?.destroy();
  };

  constructor(
    readonly signal: AbortSignal,
    private readonly limits: ModelLimits,
  ) {
    signal.throwIfAborted();
    signal.addEventListener('abort', this.stop, { once: true });
    this.expectMore();
  }

  get isStopped(): boolean {
    return this.signal.aborted || this.failure !== undefined;
  }

  get isDone(): boolean {
    return this.state === 'done';
  }

  carry(request: ClientRequest): void {
    this.request = request;
  }

  /** The first token has come: from now on only silence has a limit. */
  hasBegun(): void {
    if (this.state === 'waiting') this.state = 'writing';
  }

  /** The last token has come. */
  hasEnded(): void {
    this.state = 'done';
  }

  /** The body in pieces. No time limit runs while the caller handles one. */
  async *read(response: IncomingMessage): AsyncGenerator<Buffer, void> {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      this.limit?.stop();
      this.signal.throwIfAborted();
      if (!this.isDone) yield chunk;
      this.expectMore();
    }
  }

  close(): void {
    this.limit?.stop();
    this.signal.removeEventListener('abort', this.stop);
    this.request?.destroy();
  }

  private expectMore(): void {
    const { firstTokenMs, silenceMs } = this.limits;
    this.limit?.stop();
    switch (this.state) {
      case 'waiting':
        // A server that only says that it is alive does not begin the time anew.
        return this.expect(
          this.beganMs + firstTokenMs - performance.now(),
          `the first token within ${firstTokenMs} ms`,
        );
      case 'writing':
        return this.expect(silenceMs, `a token within ${silenceMs} ms`);
      case 'done':
        return this.expect(CLOSING_MS, 'the end of the response');
    }
  }

  private expect(ms: number, expected: string): void {
    this.limit = new TimeLimit(Math.max(0, ms), () => {
      this.failure = modelUnavailable(`expected ${expected} from the model, none came`);
      this.stop();
    });
  }
}
