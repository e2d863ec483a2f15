import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { RawData } from 'ws';
import { frameIdOf } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import { toAppError } from '../../errors/problem.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { RefusalLogService } from '../../observability/refusal-log.service.js';
import { TimeLimit } from '../../resilience/time-limit.js';
import { returnAfterMs } from '../../websocket/drain/drain-plan.js';
import { FrameDispatcherService } from '../../websocket/frames/frame-dispatcher.service.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';
import type { Settle } from '../../websocket/upgrade/pending-upgrades.js';

const FIRST_MESSAGE_LIMIT_MS = 5000;
/** Limit of sockets that have no user yet: enough for old clients, too few to exhaust the node. */
const MAX_PENDING = 500;
/** The old server's text for a socket that sent no credential; clients compare it. */
const NOBODY = 'user_id required';

/** Sockets that opened without a credential and must send it within the limit. Until then they may do nothing. */
@Injectable()
export class PendingSocketService {
  /** What stops each of them from waiting. */
  private readonly waiting = new Map<AuthenticatedSocket, () => void>();

  constructor(
    private readonly dispatcher: FrameDispatcherService,
    private readonly logger: AppLogger,
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
  ) {}

  endAll(): void {
    const { size } = this.waiting;
    for (const socket of this.waiting.keys())
      socket.endWith('service_restart', { retry_after_ms: returnAfterMs(size) });
  }

  /** @throws {AppError} `rate_limited` */
  requireRoom(): void {
    if (this.waiting.size < MAX_PENDING) return;
    throw new AppError('rate_limited', { detail: 'too many sockets without a credential' });
  }

  /** @param settle decides about the first frame; an error that it throws ends the socket. */
  add(socket: AuthenticatedSocket, raw: Socket, settle: Settle): void {
    socket.attach(raw, {
      endSlow: () => socket.terminate(),
      frameSent: (type) => this.metrics.frameSent(type),
      refused: (_socket, { code, detail }) =>
        this.refusals.write('warn', 'frame.refused', code, undefined, { reason: code, detail }),
    });
    /** Frames that arrive while the first one is being decided. */
    const later: string[] = [];
    let isDecided = false;
    const limit = new TimeLimit(FIRST_MESSAGE_LIMIT_MS, () => {
      if (!isDecided)
        this.refuse(socket, new AppError('token_missing', { detail: 'no first message in 5 s' }));
    });
    const onMessage = (data: RawData, isBinary: boolean) => {
      if (!socket.takesFrames) return;
      if (isBinary) socket.endWith('unsupported_data');
      else if (isDecided) later.push((data as Buffer).toString());
      else {
        isDecided = true;
        // Further frames are not read until the socket has a user.
        socket.pause();
        const text = (data as Buffer).toString();
        background(this.decide(socket, settle, text, later), this.logger, 'upgrade.failed');
      }
    };
    const onPing = (data: Buffer) => socket.pong(data);
    const onError = (error: Error) => this.logger.info('socket.protocol_error', { error: error.message });
    const onClose = (code: number) => this.ended(socket, code);
    socket.on('message', onMessage).on('ping', onPing).on('error', onError).on('close', onClose);
    const stop = () => {
      limit.stop();
      socket.off('message', onMessage).off('ping', onPing).off('error', onError).off('close', onClose);
    };
    this.waiting.set(socket, stop);
  }

  private async decide(
    socket: AuthenticatedSocket,
    settle: Settle,
    text: string,
    later: readonly string[],
  ): Promise<void> {
    try {
      this.release(socket, await settle(text), later);
    } catch (error) {
      // Reading resumes; otherwise the peer's close frame would never be read.
      socket.resume();
      this.refuse(socket, toAppError(error), frameIdOf(text));
    }
  }

  /** Hands a socket over with `start`, then dispatches the frames that it sent in the meantime. */
  private release(socket: AuthenticatedSocket, start: () => void, later: readonly string[]): void {
    this.waiting.get(socket)?.();
    this.waiting.delete(socket);
    start();
    for (const text of later) this.dispatcher.receive(socket, text);
    socket.resume();
  }

  private refuse(socket: AuthenticatedSocket, error: AppError, re?: string): void {
    socket.sendProblem(error, error.code === 'token_missing' ? NOBODY : error.row.title, re);
    const { close } = error.row;
    const isOurs = close !== undefined && (error.status >= 500 || close === 'connection_limit');
    socket.endWith(isOurs || close === 'forbidden' ? close : 'policy_violation');
  }

  private ended(socket: AuthenticatedSocket, code: number): void {
    this.waiting.get(socket)?.();
    this.waiting.delete(socket);
    const label = socket.sentClose === undefined ? 'other' : String(socket.sentClose.code);
    this.logger.info('upgrade.pending_closed', { code });
    this.metrics.closes.labels(label, socket.sentClose === undefined ? 'client' : 'server').inc();
  }
}
