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
import { redisNow } from '../../redis/redis-clock.js';

/** A socket that has more than this unsent is not reading. */
export const MAX_UNSENT_BYTES = 1024 * 1024;
/** Frames of one turn leave in one write, up to this size. */
const MAX_BATCH_BYTES = 64 * 1024;
/** Nor is one of whose unsent bytes the network has taken none for this long. */
const STALL_LIMIT_MS = 10_000;

/** Reasons for the closes that the WebSocket library decides on by itself. */
const LIBRARY_REASONS = new Map<number, CloseName>(
  (['protocol_error', 'invalid_payload', 'frame_too_large', 'policy_violation'] as const).map((name) => [
    CLOSE_CODES[name],
    name,
  ]),
);

/** What a socket tells the node that holds it. */
export interface SocketHolder {
  /** It does not read. */
  endSlow(socket: AuthenticatedSocket): void;
  /** A frame is on its way to the client. */
  frameSent(type: string): void;
  /** An `error` frame is on its way that stands in no log yet. Returns the trace id of the line that tells of it. */
  refused(socket: AuthenticatedSocket, error: AppError): string;
}

/** Everything about a socket that is known before it opens. */
export interface SocketIdentity extends ConnectionIdentity {
  user: UserContext;
  conversationId: string | undefined;
  /** Absent for a socket that came another way. */
  ticketId: string | undefined;
  /** Network address, for the list of connections. */
  address: string;
  /** `Origin` of its upgrade, when a browser sent one: a handoff ticket is bound to it. */
  origin: string | undefined;
}

/**
 * An open WebSocket and the user behind it. The library makes one for each upgrade and `open` gives it its identity
 * before anything can arrive.
 */
export class AuthenticatedSocket extends WebSocket {
  declare identity: SocketIdentity;
  /** The signed-in user; replaced when the socket is renewed. */
  declare user: UserContext;
  declare openedAtMs: number;
  /** Phase of the heartbeat: see `heartbeat.service.ts`. */
  declare pingDueAtMs: number;
  declare pingSentAtMs: number;
  declare touchedAtMs: number;
  declare hasWarnedOfExpiry: boolean;
  /** It has a handoff ticket: its client's next socket, which replaces it, is where it was sent. */
  declare isToldToMove: boolean;
  /** Conversations that it watches; made with the first. */
  declare subscriptions: Set<string> | undefined;
  /** The close frame that we sent, if the end was ours: a client that is gone answers none, and is no other end. */
  declare sentClose: { code: number; reason: string } | undefined;
  declare private raw: Socket;
  declare private gathered: Buffer[];
  declare private gatheredBytes: number;
  declare private holder: SocketHolder;
  declare private isTooSlow: boolean;
  /** What the network had taken when it last took something, and since when that has not changed. */
  declare private takenBytes: number;
  declare private stalledSinceMs: number;
  /** Made when the network takes no more, gone when it does again. */
  declare private backlog: DeltaBacklog | undefined;

  /** Makes it able to send. Nobody is behind it yet. */
  attach(raw: Socket, holder: SocketHolder): void {
    this.sentClose = undefined;
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
    this.hasWarnedOfExpiry = false;
    this.isToldToMove = false;
    this.subscriptions = undefined;
  }

  get connectionId(): string {
    return this.identity.connectionId;
  }

  get conversationId(): string | undefined {
    return this.identity.conversationId;
  }

  /** @param re the `id` of the client's frame that this answers. */
  sendFrame(reply: FrameReply, re?: string): void {
    for (const { type, bytes } of encodeReply(reply, re)) this.sendEncoded(type, bytes);
  }

  /** Answers with an `error` frame; an error that ends the session ends the socket as well. */
  sendError(error: AppError, re?: string): void {
    this.sendProblem(error, error.row.title, re);
    if (error.row.close === 'session_revoked') this.endRevoked(error.code);
  }

  /** Says that the session has ended, and why, before the close. */
  endRevoked(reason: string): void {
    this.sendFrame({ type: 'session.revoked', data: { reason } });
    this.endWith('session_revoked');
  }

  /** @param text stands beside `data`, for clients that know another word than the title. */
  sendProblem(error: AppError, text: string, re?: string): void {
    const data = toProblem(error, '/ws', error.traceId ?? this.holder.refused(this, error));
    this.sendFrame({ type: 'error', data, error: text }, re);
  }

  /** Sends a frame of a conversation. While the network takes nothing, deltas wait and become one. */
  sendShared(frame: SharedFrame): void {
    if (this.backlog === undefined && !this.raw.writableNeedDrain) {
      this.sendEncoded(frame.type, frame.bytes);
      return;
    }
    const { delta } = frame;
    if (delta === undefined) {
      // What waits was said before. It is sent for all conversations, since this frame may be of any.
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

  /** Ends a socket that does not read. */
  endSlow(): void {
    if (this.isTooSlow) return;
    this.isTooSlow = true;
    this.holder.endSlow(this);
  }

  /** True when something has been waiting and the network has taken nothing for 10 s. Asked about once a second. */
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

  /** Writes what has gathered. */
  flush(): void {
    if (this.gathered.length === 0) return;
    const bytes =
      this.gathered.length === 1 ? this.gathered[0]! : Buffer.concat(this.gathered, this.gatheredBytes);
    this.gathered = [];
    this.gatheredBytes = 0;
    if (this.raw.writable) this.raw.write(bytes);
  }

  /** Closes with a code of ours, after what has gathered. */
  endWith(name: CloseName, detail?: Readonly<Record<string, string | number>>): void {
    if (this.readyState !== WebSocket.OPEN) return;
    this.flush();
    this.sendClose(name, detail);
  }

  /** Called by the library itself, without a reason, for what its parser refuses. */
  override close(code?: number, data?: string | Buffer): void {
    const name = data === undefined && code !== undefined ? LIBRARY_REASONS.get(code) : undefined;
    this.flush();
    if (name === undefined) {
      super.close(code, data);
      return;
    }
    this.sendClose(name);
  }

  /** Sends a frame that is encoded already. The bytes are shared with other sockets and must not change. */
  private sendEncoded(type: string, frame: Buffer): void {
    if (this.readyState !== WebSocket.OPEN) return;
    this.holder.frameSent(type);
    if (this.gathered.length === 0) flushSoon(this);
    this.gathered.push(frame);
    this.gatheredBytes += frame.length;
    // A burst within one turn says nothing about the reader: only what the network leaves behind does.
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
