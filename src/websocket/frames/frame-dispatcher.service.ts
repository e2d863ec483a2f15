import { Injectable } from '@nestjs/common';
import {
  type ClientFrame,
  type ClientFrameType,
  frameIdOf,
  parseClientFrame,
} from '../../../protocol/messages.js';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import { background } from '../../observability/background.js';
import { LimitReportService } from '../../observability/limit-report.service.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { newTraceId } from '../../observability/trace-id.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import type { FrameReply } from '../socket/frame-reply.js';
import type { FrameRequest } from './frame-request.js';

type Handler = (request: FrameRequest<ClientFrameType>) => Promise<FrameReply | undefined>;
/** Handles a text that is not a frame of the protocol. Returns true if it did. */
type UnusableReader = (socket: AuthenticatedSocket, text: string) => boolean;
type Inbound = { frame: ClientFrame; receivedMs: number } | { fault: AppError; id: string | undefined };

/** Reading from a socket pauses at the first and resumes at the second, so that data waits at the client. */
const QUEUE_HIGH = 256;
const QUEUE_LOW = 64;
/** More invalid frames than this within the window close the socket. */
const MAX_BAD_FRAMES = 3;
const BAD_FRAME_WINDOW_MS = 10_000;
const MINUTE_MS = 60_000;
/** Frames above the limit that are answered with an error before the socket is closed. */
const LIMIT_WARNINGS = 5;
/** Frame limit per message that a user may send: a message needs a few frames, besides pings and subscriptions. */
const FRAMES_PER_MESSAGE = 60;
/** The least of this limit: a client's own pings alone may be one a second, and a reconnect asks for each conversation. */
const MIN_FRAMES_PER_MINUTE = 600;
/** Frames whose whole effect is on their own socket: once it has closed they are passed over. */
const FOR_THE_SOCKET: ReadonlySet<ClientFrameType> = new Set(['ping', 'subscribe', 'unsubscribe', 'resume']);

interface Inbox {
  queue: Inbound[];
  isBusy: boolean;
  isPaused: boolean;
  badFrames: number;
  badSinceMs: number;
  frames: number;
  framesSinceMs: number;
}

/**
 * Passes each frame to its handler. The frames of one socket are handled one at a time, in the order of arrival. What
 * arrived before a close is handled after it, without an answer, unless the client was shut out. All sockets share one
 * table of handlers, which Nest fills at startup.
 */
@Injectable()
export class FrameDispatcherService {
  readonly framesPerMinute: number;
  private readonly handlers = new Map<string, Handler>();
  private readonly inboxes = new WeakMap<AuthenticatedSocket, Inbox>();
  private readonly received = new Map<string, { inc(): void }>();
  private readUnusable: UnusableReader = () => false;
  private busySockets = 0;
  private whenIdle: (() => void) | undefined;

  constructor(
    config: Config,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
    private readonly report: LimitReportService,
  ) {
    this.framesPerMinute = Math.max(
      MIN_FRAMES_PER_MINUTE,
      config.limits.messagesPerUser * FRAMES_PER_MESSAGE,
    );
  }

  register(type: string, handler: Handler): void {
    this.handlers.set(type, handler);
    this.received.set(type, this.metrics.frames.labels('in', type));
  }

  /** Offers each text that is not a valid frame to `reader` first. */
  readUnusableWith(reader: UnusableReader): void {
    this.readUnusable = reader;
  }

  /** Takes a text frame as received. */
  receive(socket: AuthenticatedSocket, text: string): void {
    if (socket.isShutOut) return;
    const inbox = this.inboxOf(socket);
    if (this.isOverLimit(socket, inbox, text)) return;
    const parsed = parseClientFrame(text);
    if (!parsed.ok && this.readUnusable(socket, text)) {
      this.metrics.frames.labels('in', 'greeting').inc();
      return;
    }
    const inbound = parsed.ok
      ? { frame: parsed.frame, receivedMs: performance.now() }
      : { fault: new AppError(parsed.fault.code, { detail: parsed.fault.detail }), id: parsed.fault.id };
    if (inbox.isBusy) {
      this.enqueue(socket, inbox, inbound);
      return;
    }
    inbox.isBusy = true;
    background(this.work(socket, inbox, inbound), this.logger, 'frame.failed');
  }

  /** Resolves when every frame that has arrived is handled, or after the timeout. */
  async allHandled(timeoutMs: number): Promise<void> {
    if (this.busySockets === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.whenIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Counts a control frame towards the limit. Returns false if the limit is exceeded. */
  countControlFrame(socket: AuthenticatedSocket): boolean {
    return !this.isOverLimit(socket, this.inboxOf(socket));
  }

  private enqueue(socket: AuthenticatedSocket, inbox: Inbox, inbound: Inbound): void {
    inbox.queue.push(inbound);
    if (inbox.queue.length < QUEUE_HIGH || inbox.isPaused) return;
    inbox.isPaused = true;
    socket.pause();
  }

  private async work(socket: AuthenticatedSocket, inbox: Inbox, first: Inbound): Promise<void> {
    this.busySockets += 1;
    let next: Inbound | undefined = first;
    while (next !== undefined) {
      if ('fault' in next) this.answerFault(socket, inbox, next.fault, next.id);
      else await this.handle(socket, next.frame, next.receivedMs);
      if (socket.isShutOut) inbox.queue = [];
      next = inbox.queue.shift();
      if (inbox.isPaused && inbox.queue.length <= QUEUE_LOW) {
        inbox.isPaused = false;
        socket.resume();
      }
    }
    inbox.isBusy = false;
    this.busySockets -= 1;
    if (this.busySockets === 0) this.whenIdle?.();
  }

  private async handle(socket: AuthenticatedSocket, frame: ClientFrame, receivedMs: number): Promise<void> {
    this.received.get(frame.type)?.inc();
    if (socket.readyState !== socket.OPEN && FOR_THE_SOCKET.has(frame.type)) return;
    const handler = this.handlers.get(frame.type);
    if (handler === undefined) {
      socket.sendError(
        new AppError('frame_unknown', { detail: 'this server has no handler for this frame' }),
        frame.id,
      );
      return;
    }
    try {
      const reply = await handler({ socket, frame, receivedMs });
      if (reply !== undefined) socket.sendFrame(reply, frame.id);
    } catch (error) {
      // The gateways' filter answers errors of their handlers; errors caught here were thrown outside of it.
      const traceId = newTraceId();
      const stack = error instanceof Error ? error.stack : String(error);
      this.logger.error('frame.failed', { type: frame.type, trace_id: traceId, error: stack });
      socket.sendError(new AppError('internal', { traceId }), frame.id);
    }
  }

  private answerFault(
    socket: AuthenticatedSocket,
    inbox: Inbox,
    fault: AppError,
    id: string | undefined,
  ): void {
    this.metrics.frames.labels('in', 'unusable').inc();
    socket.sendError(fault, id);
    if (fault.row.close !== 'bad_frame') return;
    const now = Date.now();
    if (now - inbox.badSinceMs > BAD_FRAME_WINDOW_MS) {
      inbox.badSinceMs = now;
      inbox.badFrames = 0;
    }
    inbox.badFrames += 1;
    if (inbox.badFrames > MAX_BAD_FRAMES) socket.endWith('bad_frame');
  }

  /** @param text the frame's text; `undefined` for a control frame */
  private isOverLimit(socket: AuthenticatedSocket, inbox: Inbox, text?: string): boolean {
    const now = Date.now();
    if (now - inbox.framesSinceMs >= MINUTE_MS) {
      inbox.framesSinceMs = now;
      inbox.frames = 0;
    }
    inbox.frames += 1;
    if (inbox.frames <= this.framesPerMinute) return false;
    const retryAfterMs = MINUTE_MS - (now - inbox.framesSinceMs);
    const refusal = new AppError('rate_limited', {
      detail: `more than ${this.framesPerMinute} frames in 60 s`,
      retryAfterMs,
      traceId: this.report.refused('frames', socket.user.userId),
    });
    socket.sendError(refusal, text === undefined ? undefined : frameIdOf(text));
    if (inbox.frames > this.framesPerMinute + LIMIT_WARNINGS) {
      socket.endWith('rate_limited', { retry_after_ms: retryAfterMs });
    }
    return true;
  }

  private inboxOf(socket: AuthenticatedSocket): Inbox {
    let inbox = this.inboxes.get(socket);
    if (inbox === undefined) {
      inbox = {
        queue: [],
        isBusy: false,
        isPaused: false,
        badFrames: 0,
        badSinceMs: 0,
        frames: 0,
        framesSinceMs: Date.now(),
      };
      this.inboxes.set(socket, inbox);
    }
    return inbox;
  }
}
