import { type KeyObject, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUuid } from '../../protocol/messages.js';
import type { Role, User } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import {
  newRefreshToken,
  readRefreshToken,
  refreshDigest,
  successorKey,
  successorOf,
} from './refresh-token.js';
import type {
  ChangedSession,
  EndedSession,
  ListedSession,
  SessionEndReason,
  SessionRecord,
} from './session-record.js';
import { SessionStore } from './session.store.js';
import { redisNow } from '../redis/redis-clock.js';

const MAX_USER_AGENT_LENGTH = 200;

/** Called and awaited on the node that ends a session. */
type EndingListener = (userId: string, sessionId: string) => Promise<void>;

export interface OpenedSession {
  session: SessionRecord;
  refreshToken: string;
}

/** Sign-ins: opened by login, kept alive by use; they end on request, when unused, or at the absolute cap. */
@Injectable()
export class SessionService {
  private readonly endingListeners: EndingListener[] = [];
  private readonly successorKey: KeyObject;

  constructor(
    private readonly config: Config,
    private readonly store: SessionStore,
    private readonly audit: AuditLogService,
  ) {
    this.successorKey = successorKey(config.jwt.signing.key);
  }

  /** Opens a session under a new random id, which prevents session fixation. */
  async open(user: User, userAgent: string): Promise<OpenedSession> {
    const now = redisNow();
    const session: SessionRecord = {
      user_id: user.id,
      email: user.email,
      role: user.role,
      connected_at: new Date(now).toISOString(),
      websocket_endpoint: `${this.config.publicUrl.replace(/^http/, 'ws')}/ws`,
      session_id: randomUUID(),
      display_name: user.display_name,
      absolute_expires_at: now + this.config.sessionMaxSeconds * 1000,
      user_agent: userAgent.slice(0, MAX_USER_AGENT_LENGTH),
    };
    const refreshToken = newRefreshToken(toParts(session));
    await this.store.create(
      session,
      refreshDigest(refreshToken),
      this.config.sessionTtlSeconds,
      this.config.sessionMaxSeconds,
    );
    this.audit.record('session.opened', user.id, { session_id: session.session_id });
    return { session, refreshToken };
  }

  /**
   * Returns the session and extends its life to `SESSION_TTL_SECONDS` from now.
   * @throws {AppError} `session_revoked` if it was ended, `session_expired` if it has expired.
   */
  touch(userId: string, sessionId: string): Promise<SessionRecord> {
    return this.live(userId, sessionId, this.config.sessionTtlSeconds);
  }

  /** As `touch`, for a session known only by its id. @throws {AppError} `token_malformed` if it is not an id */
  async touchById(sessionId: string): Promise<SessionRecord> {
    if (!isUuid(sessionId)) throw new AppError('token_malformed', { detail: 'not a session id' });
    const userId = await this.store.ownerOf(sessionId);
    if (userId === undefined) throw new AppError('session_expired');
    return this.touch(userId, sessionId);
  }

  /** Returns the session without extending its life. @throws {AppError} as `touch`. */
  check(userId: string, sessionId: string): Promise<SessionRecord> {
    return this.live(userId, sessionId);
  }

  /**
   * Exchanges a refresh token for the next one. The last used token may be sent again within `REFRESH_GRACE_SECONDS`
   * and is exchanged for the same one; any other used token ends the session.
   * @throws {AppError} `token_malformed`, `session_revoked`, `session_expired`; `refresh_reused` once it is ended.
   */
  async rotate(refreshToken: string): Promise<OpenedSession> {
    const parts = readRefreshToken(refreshToken);
    if (parts === undefined) throw notARefreshToken();
    const session = await this.touch(parts.userId, parts.sessionId);
    const next = successorOf(refreshToken, parts, this.successorKey);
    const result = await this.store.rotateRefresh(
      parts,
      { presented: refreshDigest(refreshToken), next: refreshDigest(next) },
      this.config.refreshGraceSeconds * 1000,
    );
    switch (result) {
      case 'rotated':
      case 'repeated':
        this.audit.record('session.refreshed', parts.userId, {
          session_id: parts.sessionId,
          ...(result === 'repeated' && { repeated: true }),
        });
        return { session, refreshToken: next };
      case 'used':
        this.audit.critical('session.refresh_reused', parts.userId, { session_id: parts.sessionId });
        await this.end(parts.userId, parts.sessionId, 'refresh_reused');
        throw new AppError('refresh_reused', {
          detail: 'This refresh token was used before; its session is ended, sign in again',
        });
      case 'unknown':
        throw notARefreshToken();
      case 'gone':
        throw new AppError('session_expired');
    }
  }

  /** Ends one session: its tokens and tickets are invalid when this resolves; its sockets close on every node. */
  async end(userId: string, sessionId: string, reason: SessionEndReason): Promise<void> {
    await this.store.end({ user_id: userId, session_id: sessionId, reason, ended_at: redisNow() });
    await Promise.all(this.endingListeners.map((listener) => listener(userId, sessionId)));
    this.audit.record('session.ended', userId, { session_id: sessionId, reason });
  }

  /** Calls `listener` for each session that this node has ended; `end` resolves when it is done. */
  onEnding(listener: EndingListener): void {
    this.endingListeners.push(listener);
  }

  /** A user's live sessions, the most recently used first. */
  async list(userId: string): Promise<ListedSession[]> {
    const sessions = await this.store.list(userId, this.config.sessionTtlSeconds);
    return sessions.sort((a, b) => b.lastSeenAtMs - a.lastSeenAtMs);
  }

  /** Ends the session of a user with the given id. False if the user has no such session. */
  async endChosen(userId: string, sessionId: string, reason: SessionEndReason): Promise<boolean> {
    if ((await this.store.read(userId, sessionId)) === undefined) return false;
    await this.end(userId, sessionId, reason);
    return true;
  }

  /** Ends every session of a user, except `keptSessionId` if given. */
  async endAll(userId: string, reason: SessionEndReason, keptSessionId?: string): Promise<void> {
    const ids = await this.store.idsOfUser(userId);
    await Promise.all(ids.filter((id) => id !== keptSessionId).map((id) => this.end(userId, id, reason)));
  }

  /** Changes the role of every session of a user; the sockets close on every node and reconnect with the new role. */
  async changeRole(userId: string, role: Role): Promise<void> {
    const ids = await this.store.idsOfUser(userId);
    await Promise.all(ids.map((id) => this.store.changeRole({ user_id: userId, session_id: id }, role)));
  }

  /** Calls `listener` for each session whose role changes on any node. */
  onChanged(listener: (changed: ChangedSession) => void): void {
    this.store.onChanged(listener);
  }

  /** Calls `listener` for each session that ends on any node. */
  onEnded(listener: (ended: EndedSession) => void): void {
    this.store.onEnded(listener);
  }

  private async live(userId: string, sessionId: string, ttlSeconds?: number): Promise<SessionRecord> {
    const session = await this.store.read(userId, sessionId, ttlSeconds);
    if (session !== undefined && redisNow() < session.absolute_expires_at) return session;
    const reason = session === undefined ? await this.store.endReason(userId, sessionId) : undefined;
    if (reason === undefined)
      throw new AppError('session_expired', { detail: 'The session is over, sign in again' });
    if (reason === 'user_disabled') throw new AppError('user_disabled');
    throw new AppError('session_revoked', { detail: 'The session was ended, sign in again' });
  }
}

function notARefreshToken(): AppError {
  return new AppError('token_invalid', { detail: 'This is not a refresh token of ours' });
}

function toParts(session: SessionRecord): { userId: string; sessionId: string } {
  return { userId: session.user_id, sessionId: session.session_id };
}
