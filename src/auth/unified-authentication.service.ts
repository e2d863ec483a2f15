import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { User } from '../../protocol/resources.js';
import { Config, type JwtKeys } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { toAppError } from '../errors/problem.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import type { AuthMethod, UserContext } from '../identity/user-context.js';
import type { SessionRecord } from '../session/session-record.js';
import { SessionService } from '../session/session.service.js';
import type { TicketClaims } from '../ticket/ticket-claims.js';
import { type ConsumedTicket, TicketService } from '../ticket/ticket.service.js';
import {
  type AccessTokenClaims,
  CLOCK_TOLERANCE_SECONDS,
  readHeader,
  requireClaims,
  requireTokenForm,
} from './access-token.js';
import { type AuthPath, AuthReport } from './auth-report.js';
import { findTicket, type UpgradeRequest } from './upgrade-credentials.js';
import { VerifiedTokens } from './verified-tokens.js';

/** An upgrade that may become a socket. Its ticket is used up; `settle` says which socket. */
export interface Admission {
  user: UserContext;
  ticket: ConsumedTicket;
}

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
    const claims = this.verify(token);
    const session = await this.sessions.touch(claims.sub, claims.session_id);
    return toContext(session, claims.exp * 1000, 'bearer');
  }

  /**
   * Whether an upgrade may become a socket, and whose. The ticket is used up by asking.
   * @param takePlace what the caller has to ask about this user; asked while the session is read.
   * @throws {AppError} `origin_not_allowed`, `multiple_credentials`, `auth_method_disabled`, a `ticket_…` code,
   * `session_revoked`, `session_expired`, `user_disabled`, `conversation_not_found`, `dependency_unavailable`.
   */
  async authenticateUpgrade(
    request: UpgradeRequest,
    takePlace: (claims: TicketClaims) => Promise<void>,
  ): Promise<Admission> {
    let ticket: ConsumedTicket | undefined;
    try {
      const { origin } = request.headers;
      if (origin !== undefined && !this.config.allowedOrigins.has(origin)) {
        throw new AppError('origin_not_allowed', {
          detail: 'This origin is not in the list of allowed origins',
        });
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
      return { user: toContext(session, claims.auth_expires_at, 'ticket'), ticket };
    } catch (error) {
      const refusal = this.refused('upgrade', error, ticket?.claims.user_id, request.address);
      if (ticket !== undefined) await this.tickets.reject(ticket, refusal.code);
      throw refusal;
    }
  }

  /** Records which connection an admitted upgrade became. */
  settle({ ticket }: Admission, connectionId: string): Promise<void> {
    return this.tickets.accept(ticket, connectionId);
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

  private verify(token: string): AccessTokenClaims {
    const known = this.verified.get(token);
    if (known !== undefined) {
      if (Date.now() / 1000 < known.exp + CLOCK_TOLERANCE_SECONDS) return known;
      this.verified.delete(token);
    }
    requireTokenForm(token);
    const { kid } = readHeader(token, this.config.jwt.algorithm);
    if (!hasKey(this.config.jwt, kid))
      throw new AppError('token_invalid', { detail: '"kid" names no key of ours' });
    const claims = requireClaims(this.verifySignature(token));
    this.verified.add(token, claims);
    return claims;
  }

  private verifySignature(token: string): unknown {
    try {
      return this.jwt.verify<Record<string, unknown>>(token);
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

/** RFC 6750 section 2.1; the scheme's name is case-insensitive (RFC 9110 section 11.1). */
function bearerToken(authorization: string | undefined): string {
  const match = /^Bearer +(.*)$/i.exec(authorization ?? '');
  if (match === null)
    throw new AppError('token_missing', { detail: 'Missing or invalid Authorization header' });
  return match[1] ?? '';
}

/** A ticket opens what it was minted for. One without a conversation opens any path of its user. */
function requireBindings(claims: TicketClaims, { headers, query, conversationId }: UpgradeRequest): void {
  if (claims.purpose !== 'connect')
    throw new AppError('ticket_binding_path', { detail: 'a refresh ticket opens no socket' });
  if (claims.origin !== undefined && claims.origin !== headers.origin)
    throw new AppError('ticket_binding_origin');
  if (claims.conversation_id !== undefined && claims.conversation_id !== conversationId) {
    throw new AppError(conversationId === undefined ? 'ticket_binding_path' : 'ticket_binding_conversation');
  }
  const clientId = query.get('client_id');
  if (clientId !== null && clientId !== claims.client_id) throw new AppError('ticket_binding_client');
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
