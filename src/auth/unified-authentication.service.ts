import { Injectable, Optional } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { isUuid } from '../../protocol/messages.js';
import type { User } from '../../protocol/resources.js';
import { Config, type JwtKeys } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { toAppError } from '../errors/problem.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import type { AuthMethod, UserContext } from '../identity/user-context.js';
import type { SessionRecord } from '../session/session-record.js';
import { type OpenedSession, SessionService } from '../session/session.service.js';
import type { TicketClaims } from '../ticket/ticket-claims.js';
import { type ConsumedTicket, TicketService } from '../ticket/ticket.service.js';
import {
  type AccessTokenClaims,
  CLOCK_TOLERANCE_SECONDS,
  readHeader,
  requireClaims,
  requireTokenForm,
} from './access-token.js';
import type { AuthPath } from './auth-paths.js';
import { AuthReport } from './auth-report.js';
import { type OldTokenOwner, type OtherCredential, OtherCredentials } from './other-credentials.js';
import { bearerToken, findTicket, requireBindings, type UpgradeRequest } from './upgrade-credentials.js';
import { VerifiedTokens } from './verified-tokens.js';

/** A socket that may open. Its ticket, if it came with one, is used up; `settle` says which socket. */
export interface Admission {
  user: UserContext;
  conversationId: string | undefined;
  ticket?: ConsumedTicket;
}

/** Takes a place among the connections of a user. */
export type TakePlace = (claims: Pick<TicketClaims, 'user_id' | 'session_id' | 'client_id'>) => Promise<void>;

/**
 * The only place where a credential is decided about: the HTTP guard, the upgrade, the frame guard and the sign-in
 * routes all end here. It holds no list of exceptions and reads no environment.
 */
@Injectable()
export class UnifiedAuthenticationService {
  private readonly verified = new VerifiedTokens();

  constructor(
    private readonly jwt: JwtService,
    private readonly config: Config,
    private readonly sessions: SessionService,
    private readonly tickets: TicketService,
    private readonly conversations: ConversationAccess,
    private readonly report: AuthReport,
    @Optional() readonly others?: OtherCredentials,
  ) {}

  /**
   * Who sent an HTTP request.
   * @param authorization the `Authorization` header.
   * @param address network address of the client, for the log.
   * @throws {AppError} `token_missing`, or as `validateToken`.
   */
  async authenticateRequest(authorization: string | undefined, address?: string): Promise<UserContext> {
    try {
      const user = await this.validateToken(bearerToken(authorization));
      this.report.success('http');
      return user;
    } catch (error) {
      throw this.refused('http', error, undefined, address);
    }
  }

  /**
   * Whose an access token is, as long as its session lives. Using it keeps the session alive.
   * @throws {AppError} `token_malformed`, `token_invalid`, `token_expired`, `session_revoked`, `session_expired`,
   * `user_disabled`, `dependency_unavailable`.
   */
  async validateToken(token: string): Promise<UserContext> {
    return this.userOfToken(token, 'bearer');
  }

  /** Whether an upgrade has no credential yet, and may send it with its first frame: see `authenticateFirstMessage`. */
  awaitsFirstMessage(request: UpgradeRequest): boolean {
    return this.others?.awaitsFirstMessage(request) === true && this.isOriginAllowed(request);
  }

  /**
   * Whether an upgrade may become a socket, and whose. A ticket is used up by asking.
   * @param takePlace what the caller has to ask about this user; asked while the session is read.
   * @throws {AppError} `origin_not_allowed`, `multiple_credentials`, `auth_method_disabled`, a `ticket_…` code,
   * `session_revoked`, `session_expired`, `user_disabled`, `conversation_not_found`, `dependency_unavailable`.
   */
  async authenticateUpgrade(request: UpgradeRequest, takePlace: TakePlace): Promise<Admission> {
    let ticket: ConsumedTicket | undefined;
    try {
      if (!this.isOriginAllowed(request)) {
        throw new AppError('origin_not_allowed', {
          detail: 'This origin is not in the list of allowed origins',
        });
      }
      const other = this.others?.find(request);
      if (other !== undefined) {
        const admission = await this.admitOther(other, request, takePlace);
        this.report.success('upgrade');
        return admission;
      }
      ticket = await this.tickets.consume(findTicket(request));
      const { claims } = ticket;
      requireBindings(claims, request);
      const [session] = await Promise.all([
        this.sessions.check(claims.user_id, claims.session_id),
        this.requireOwner(claims.user_id, request.conversationId),
        takePlace(claims),
      ]);
      this.report.success('upgrade');
      const user = toContext(session, claims.auth_expires_at, 'ticket');
      return { user, conversationId: request.conversationId, ticket };
    } catch (error) {
      const refusal = this.refused('upgrade', error, ticket?.claims.user_id, request.address);
      if (ticket !== undefined) await this.tickets.reject(ticket, refusal.code);
      throw refusal;
    }
  }

  /**
   * Whether a socket that opened without a credential may go on, and as whose, after its first frame.
   * @throws {AppError} `frame_invalid`, `token_missing`, `forbidden` for another's `user_id`, or as `authenticateUpgrade`.
   */
  async authenticateFirstMessage(
    text: string,
    request: UpgradeRequest,
    takePlace: TakePlace,
  ): Promise<Admission> {
    try {
      if (this.others === undefined) throw new AppError('auth_method_disabled');
      const { credential, claimedUserId, conversationId } = this.others.readFirstMessage(text);
      if (credential === undefined) throw new AppError('token_missing');
      const wanted = conversationId?.toLowerCase() ?? request.conversationId;
      const isUsable = wanted === undefined || isUuid(wanted);
      if (!isUsable || (request.conversationId ?? wanted) !== wanted)
        throw new AppError('conversation_not_found');
      const place = { ...request, conversationId: wanted };
      const admission = await this.admitOther(credential, place, takePlace, claimedUserId);
      this.report.success('first_message');
      return admission;
    } catch (error) {
      throw this.refused('first_message', error, undefined, request.address);
    }
  }

  /**
   * A session for a token of an old format.
   * @param countFor counts the sign-in for the account.
   * @throws {AppError} `auth_method_disabled`, or as `validateToken`.
   */
  async exchange(
    token: string,
    headers: UpgradeRequest['headers'],
    countFor: (email: string) => Promise<unknown>,
  ): Promise<OpenedSession> {
    try {
      if (this.others?.takesOldTokens() !== true) throw new AppError('auth_method_disabled');
      const owner = await this.ownerOfOldToken(token);
      if (owner === undefined)
        throw new AppError('token_invalid', { detail: 'not a token of an old format' });
      await countFor(owner.user.email);
      const known = await this.others.conversionOf(token);
      // Whoever ended that session ended what can be made of the token.
      if (known !== undefined) await this.sessions.check(known.userId, known.sessionId);
      const opened = await this.openFor(token, owner, headers['user-agent'] ?? '');
      this.others.count('token_format', headers);
      this.report.success('exchange');
      return opened;
    } catch (error) {
      throw this.refused('exchange', error);
    }
  }

  /** Records which connection an admitted upgrade became. */
  async settle({ ticket }: Admission, connectionId: string): Promise<void> {
    if (ticket !== undefined) await this.tickets.accept(ticket, connectionId);
  }

  /**
   * Whether the session behind a socket still lives; asked before each frame that acts.
   * @throws {AppError} `session_revoked`, `session_expired`, `user_disabled`, `dependency_unavailable`.
   */
  async authenticateFrame(user: UserContext): Promise<void> {
    try {
      await this.sessions.check(user.userId, user.sessionId);
      this.report.success('frame');
    } catch (error) {
      throw this.refused('frame', error, user.userId);
    }
  }

  /**
   * Gives a socket more time, for a ticket of purpose `refresh` that its own session took with a fresh access token.
   * @returns the user with the new end of time.
   * @throws {AppError} a `ticket_…` code, `forbidden` for another session's ticket, or as `authenticateFrame`.
   */
  async renew(
    user: UserContext,
    clientId: string,
    connectionId: string,
    presented: string,
  ): Promise<UserContext> {
    let ticket: ConsumedTicket | undefined;
    try {
      ticket = await this.tickets.consume(presented);
      const { claims } = ticket;
      if (claims.purpose !== 'refresh')
        throw new AppError('ticket_binding_path', { detail: 'not a refresh ticket' });
      if (claims.session_id !== user.sessionId)
        throw new AppError('forbidden', { detail: 'another session’s ticket' });
      if (claims.client_id !== undefined && claims.client_id !== clientId)
        throw new AppError('ticket_binding_client');
      const session = await this.sessions.touch(claims.user_id, claims.session_id);
      await this.tickets.accept(ticket, connectionId);
      this.report.success('frame');
      return toContext(session, claims.auth_expires_at, 'ticket');
    } catch (error) {
      const refusal = this.refused('frame', error, user.userId);
      if (ticket !== undefined) await this.tickets.reject(ticket, refusal.code);
      throw refusal;
    }
  }

  /** A new access token for a session. */
  issueAccessToken(user: User, sessionId: string): string {
    const claims = { sub: user.id, id: user.id, email: user.email, role: user.role, session_id: sessionId };
    return this.jwt.sign(claims);
  }

  private isOriginAllowed({ headers: { origin } }: UpgradeRequest): boolean {
    return origin === undefined || this.config.allowedOrigins.has(origin);
  }

  private async admitOther(
    other: OtherCredential,
    request: UpgradeRequest,
    takePlace: TakePlace,
    claimedUserId?: string,
  ): Promise<Admission> {
    if (other.needsOrigin && request.headers.origin === undefined)
      throw new AppError('origin_not_allowed', { detail: 'a cookie needs an Origin' });
    const user =
      other.kind === 'session_id'
        ? await this.userOfSession(other.value, other.method)
        : await this.userOfToken(other.value, other.method);
    const { conversationId } = request;
    this.others?.requireAllowed(user.userId);
    this.others?.requireSameUser(user.userId, claimedUserId);
    await this.requireOwner(user.userId, conversationId);
    const client_id = request.query.get('client_id') ?? undefined;
    await takePlace({ user_id: user.userId, session_id: user.sessionId, client_id });
    this.others?.count(other.method, request.headers);
    return { user, conversationId };
  }

  private async userOfToken(token: string, method: AuthMethod): Promise<UserContext> {
    const owner = method === 'bearer' ? undefined : await this.ownerOfOldToken(token);
    if (owner !== undefined) {
      const session = await this.sessionOfOldToken(token, owner);
      return toContext(session, Math.min(owner.expiresAtMs, session.absolute_expires_at), method);
    }
    const claims = this.verify(token);
    const session = await this.sessions.touch(claims.sub, claims.session_id);
    return toContext(session, claims.exp * 1000, method);
  }

  private async userOfSession(sessionId: string, method: AuthMethod): Promise<UserContext> {
    if (!isUuid(sessionId)) throw new AppError('token_malformed', { detail: 'not a session id' });
    const session = await this.sessions.touchById(sessionId);
    const endMs = Date.now() + this.config.accessTokenTtlSeconds * 1000;
    return toContext(session, Math.min(endMs, session.absolute_expires_at), method);
  }

  /** Whose a token of an old format is; `undefined` while they are off, and for one that claims something else. */
  private async ownerOfOldToken(token: string): Promise<OldTokenOwner | undefined> {
    if (this.others?.takesOldTokens() !== true) return undefined;
    this.requireOurForm(token);
    // Issuer and audience are claims of one of the two formats only: whoever reads it compares them.
    const payload = this.verifySignature(token, { issuer: undefined, audience: undefined });
    return this.others.ownerOf(payload);
  }

  private async sessionOfOldToken(token: string, owner: OldTokenOwner): Promise<SessionRecord> {
    const known = await this.others?.conversionOf(token);
    if (known !== undefined) return this.sessions.touch(known.userId, known.sessionId);
    return (await this.openFor(token, owner, '')).session;
  }

  private async openFor(token: string, owner: OldTokenOwner, userAgent: string): Promise<OpenedSession> {
    const opened = await this.sessions.open(owner.user, userAgent);
    const conversion = { userId: owner.user.id, sessionId: opened.session.session_id };
    await this.others?.rememberConversion(token, conversion, owner.expiresAtMs);
    return opened;
  }

  private verify(token: string): AccessTokenClaims {
    const known = this.verified.get(token);
    if (known !== undefined) {
      if (Date.now() / 1000 < known.exp + CLOCK_TOLERANCE_SECONDS) return known;
      this.verified.delete(token);
    }
    this.requireOurForm(token);
    const claims = requireClaims(this.verifySignature(token));
    this.verified.add(token, claims);
    return claims;
  }

  private requireOurForm(token: string): void {
    requireTokenForm(token);
    const { kid } = readHeader(token, this.config.jwt.algorithm);
    if (!hasKey(this.config.jwt, kid))
      throw new AppError('token_invalid', { detail: '"kid" names no key of ours' });
  }

  private verifySignature(token: string, options?: { issuer: undefined; audience: undefined }): unknown {
    try {
      return this.jwt.verify<Record<string, unknown>>(token, options);
    } catch (error) {
      if (error instanceof Error && error.name === 'TokenExpiredError') {
        throw new AppError('token_expired', { cause: error });
      }
      throw new AppError('token_invalid', { cause: error });
    }
  }

  private async requireOwner(userId: string, conversationId: string | undefined): Promise<void> {
    if (conversationId === undefined) return;
    if (!(await this.conversations.isOwner(userId, conversationId)))
      throw new AppError('conversation_not_found');
  }

  private refused(path: AuthPath, thrown: unknown, userId?: string, address?: string): AppError {
    const error = toAppError(thrown);
    this.report.refusal(path, error, userId, address);
    return error;
  }
}

/** A token without `kid` is one of the single key's. */
function hasKey(keys: JwtKeys, kid: string | undefined): boolean {
  return kid === undefined ? keys.verifying.size === 1 : keys.verifying.has(kid);
}

function toContext(session: SessionRecord, expiresAtMs: number, method: AuthMethod): UserContext {
  return {
    userId: session.user_id,
    email: session.email,
    role: session.role,
    displayName: session.display_name,
    sessionId: session.session_id,
    expiresAtMs,
    method,
  };
}
