import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { CLOSE_CODES, type CloseName, closeReason } from '../../../protocol/close-codes.js';
import type { AppError } from '../../errors/app-error.js';
import { toProblem } from '../../errors/problem.js';
import type { UserContext } from '../../identity/user-context.js';
import type { SharedFrame } from './shared-frame.js';
import { DeltaBacklog } from './delta-backlog.js';
import { encodeReply } from './frame-fitting.js';
import type { FrameReply } from './frame-reply.js';
import { flushSoon } from './flush-queue.js';
import type { ConnectionIdentity } from './connection-identity.js';
import { expiryWarningAtMs } from './expiry-warning.js';
import { redisNow } from '../../redis/redis-clock.js';

/** A socket with more unsent bytes than this is a slow consumer. */
export const MAX_UNSENT_BYTES = 1024 * 1024;
/** Frames of one turn of the event loop go out in one write, up to this size. */
const MAX_BATCH_BYTES = 64 * 1024;
/** So is a socket of whose unsent bytes the network has taken none for this long. */
const STALL_LIMIT_MS = 10_000;

/** Reasons for closes that the WebSocket library starts. */
const LIBRARY_REASONS = new Map<number, CloseName>(
  (['protocol_error', 'invalid_payload', 'frame_too_large', 'policy_violation'] as const).map((name) => [
    CLOSE_CODES[name],
    name,
  ]),
);

/** Closes that take the right to act from the client: what it sent before is not handled either. */
const CLOSES_THAT_SHUT_OUT: ReadonlySet<CloseName> = new Set(['session_revoked', 'forbidden', 'bad_frame']);

/** Callbacks from a socket to the node that holds it. */
export interface SocketHolder {
  /** The socket is a slow consumer. */
  endSlow(socket: AuthenticatedSocket): void;
  /** A frame is being sent to the client. */
  frameSent(type: string): void;
  /** Logs an `error` frame that has no log entry yet. Returns the trace id of the entry. */
  refused(socket: AuthenticatedSocket, error: AppError): string;
}

/** What is known about a socket before it opens. */
export interface SocketIdentity extends ConnectionIdentity {
  user: UserContext;
  conversationId: string | undefined;
  /** Absent for a socket that was opened without a ticket. */
  ticketId: string | undefined;
  /** Network address, for the list of connections. */
  address: string;
  /** `Origin` header of its upgrade, if any: a handoff ticket is bound to it. */
  origin: string | undefined;
}

/**
 * An open WebSocket and its user. The library makes one for each upgrade, and `open` sets its identity before any data
 * can arrive.
 */
export class AuthenticatedSocket extends WebSocket {
  declare identity: SocketIdentity;
  /** The signed-in user; replaced when the socket is renewed. */
  declare user: UserContext;
  declare openedAtMs: number;
  /** State of the heartbeat: see `heartbeat.service.ts`. */
  declare pingDueAtMs: number;
  declare pingSentAtMs: number;
  declare touchedAtMs: number;
  /** When its client is to be warned that its time ends, in milliseconds since the epoch; Infinity once that is done. */
  declare expiryWarningAtMs: number;
  /** It has been sent a handoff ticket, so its client's next socket completes the handoff. */
  declare isToldToMove: boolean;
  /** Conversations that it watches; created on the first subscription. */
  declare subscriptions: Set<string> | undefined;
  /** The close frame that we sent, if any. It is the recorded reason even if the client never answers it. */
  declare sentClose: { code: number; reason: string } | undefined;
  /** Its client has lost the right to act: frames that are still waiting are not handled. */
  declare isShutOut: boolean;
  declare private raw: Socket;
  declare private gathered: Buffer[];
  declare private gatheredBytes: number;
  declare private holder: SocketHolder;
  declare private isTooSlow: boolean;
  /** Bytes that the network had taken at the last change, and the time of that change. */
  declare private takenBytes: number;
  declare private stalledSinceMs: number;
  /** Exists only while the network takes no more data. */
  declare private backlog: DeltaBacklog | undefined;

  /** Enables sending. The socket has no user yet. */
  attach(raw: Socket, holder: SocketHolder): void {
    this.sentClose = undefined;
    this.isShutOut = false;
    this.raw = raw;
    this.gathered = [];
    this.gatheredBytes = 0;
    this.holder = holder;
    this.isTooSlow = false;
    this.takenBytes = 0;
    this.stalledSinceMs = 0;
    this.backlog = undefined;
  }

  open(identity: SocketIdentity, raw: Socket, holder: SocketHolder): void {
    this.attach(raw, holder);
    this.identity = identity;
    this.user = identity.user;
    this.openedAtMs = redisNow();
    this.pingDueAtMs = 0;
    this.pingSentAtMs = 0;
    this.touchedAtMs = Date.now();
    this.expiryWarningAtMs = expiryWarningAtMs(this.openedAtMs, this.user.expiresAtMs);
    this.isToldToMove = false;
    this.subscriptions = undefined;
  }

  /** Extends its time. A renewal that does not change its end is not followed by another warning. */
  renew(user: UserContext): void {
    if (user.expiresAtMs !== this.user.expiresAtMs)
      this.expiryWarningAtMs = expiryWarningAtMs(redisNow(), user.expiresAtMs);
    this.user = user;
  }

  get connectionId(): string {
    return this.identity.connectionId;
  }

  get conversationId(): string | undefined {
    return this.identity.conversationId;
  }

  /** True until the server closes it. Still true after the client's close, for frames that were received before it. */
  get takesFrames(): boolean {
    return this.sentClose === undefined;
  }

  /** @param re `id` of the client's frame that this answers. */
  sendFrame(reply: FrameReply, re?: string): void {
    for (const { type, bytes } of encodeReply(reply, re)) this.sendEncoded(type, bytes);
  }

  /** Sends an `error` frame; an error that ends the session also closes the socket. */
  sendError(error: AppError, re?: string): void {
    this.sendProblem(error, error.row.title, re);
    if (error.row.close === 'session_revoked') this.endRevoked(error.code);
  }

  /** Tells the client why the session has ended, then closes. */
  endRevoked(reason: string): void {
    this.sendFrame({ type: 'session.revoked', data: { reason } });
    this.endWith('session_revoked');
  }

  /** @param text sent next to `data`, for clients that expect a text other than the title. */
  sendProblem(error: AppError, text: string, re?: string): void {
    const data = toProblem(error, '/ws', error.traceId ?? this.holder.refused(this, error));
    this.sendFrame({ type: 'error', data, error: text }, re);
  }

  /** Sends a frame of a conversation. While the network takes no data, deltas wait and are merged. */
  sendShared(frame: SharedFrame): void {
    if (this.backlog === undefined && !this.raw.writableNeedDrain) {
      this.sendEncoded(frame.type, frame.bytes);
      return;
    }
    const { delta } = frame;
    if (delta === undefined) {
      // Earlier deltas must go first: those of all conversations, since this frame may belong to any.
      this.sendBacklog();
      this.sendEncoded(frame.type, frame.bytes);
      return;
    }
    if (this.backlog === undefined) {
      this.backlog = new DeltaBacklog();
      this.raw.once('drain', () => this.endBacklog());
    }
    this.backlog.hold(delta);
    if (this.unsentBytes + this.backlog.length > MAX_UNSENT_BYTES) this.endSlow();
  }

  /** Closes a socket that is a slow consumer. */
  endSlow(): void {
    if (this.isTooSlow) return;
    this.isTooSlow = true;
    this.holder.endSlow(this);
  }

  /** True if data has waited and the network has taken none for 10 s. Must be called about once a second. */
  isStalled(now: number): boolean {
    if (this.raw.writableLength === 0) {
      this.stalledSinceMs = 0;
      return false;
    }
    const takenBytes = this.raw.bytesWritten - this.raw.writableLength;
    if (this.stalledSinceMs === 0 || takenBytes !== this.takenBytes) {
      this.takenBytes = takenBytes;
      this.stalledSinceMs = now;
    }
    return now - this.stalledSinceMs >= STALL_LIMIT_MS;
  }

  /** Bytes that the network has not taken yet. */
  get unsentBytes(): number {
    return this.raw.writableLength + this.gatheredBytes;
  }

  /** Writes the gathered frames. */
  flush(): void {
    if (this.gathered.length === 0) return;
    const bytes =
      this.gathered.length === 1 ? this.gathered[0]! : Buffer.concat(this.gathered, this.gatheredBytes);
    this.gathered = [];
    this.gatheredBytes = 0;
    if (this.raw.writable) this.raw.write(bytes);
  }

  /** Writes the gathered frames, then closes with one of our codes. */
  endWith(name: CloseName, detail?: Readonly<Record<string, string | number>>): void {
    if (CLOSES_THAT_SHUT_OUT.has(name)) this.isShutOut = true;
    if (this.readyState !== WebSocket.OPEN) return;
    this.flush();
    this.sendClose(name, detail);
  }

  /** The library itself calls this, without a reason, for data that its parser refuses. */
  override close(code?: number, data?: string | Buffer): void {
    const name = data === undefined && code !== undefined ? LIBRARY_REASONS.get(code) : undefined;
    this.flush();
    if (name === undefined) {
      super.close(code, data);
      return;
    }
    this.sendClose(name);
  }

  /** Sends an encoded frame. The bytes are shared with other sockets and must not be changed. */
  private sendEncoded(type: string, frame: Buffer): void {
    if (this.readyState !== WebSocket.OPEN) return;
    this.holder.frameSent(type);
    if (this.gathered.length === 0) flushSoon(this);
    this.gathered.push(frame);
    this.gatheredBytes += frame.length;
    // A burst within one turn does not show a slow reader: flush first, and count what the network left unsent.
    if (this.gatheredBytes > MAX_BATCH_BYTES) this.flush();
    if (this.unsentBytes > MAX_UNSENT_BYTES) this.endSlow();
  }

  private endBacklog(): void {
    this.sendBacklog();
    this.backlog = undefined;
  }

  private sendBacklog(): void {
    for (const frame of this.backlog?.take() ?? []) this.sendFrame(frame);
  }

  private sendClose(name: CloseName, detail?: Readonly<Record<string, string | number>>): void {
    this.sentClose ??= { code: CLOSE_CODES[name], reason: closeReason(name, detail) };
    super.close(this.sentClose.code, this.sentClose.reason);
  }
}
