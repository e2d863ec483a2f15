import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { User } from '../../protocol/resources.js';
import { AppError } from '../errors/app-error.js';
import { toAppError } from '../errors/problem.js';
import type { AuthMethod, UserContext } from '../identity/user-context.js';
import type { SessionRecord } from '../session/session-record.js';
import { type OpenedSession, SessionService } from '../session/session.service.js';
import type { ConsumedTicket } from '../ticket/ticket.service.js';
import { type AccessTokenClaims, requireClaims } from './access-token.js';
import type { Admission, EnterConnection } from './admission.js';
import type { AuthPath } from './auth-path.service.js';
import { AuthReportService } from './auth-report.service.js';
import type { LegacyCredential, LegacyWays } from './legacy-ways.js';
import { type PasswordAttempt, PasswordService } from './password.service.js';
import {
  bearerToken,
  findTicket,
  requireBindings,
  requireRenewal,
  type UpgradeRequest,
} from './upgrade-credentials.js';
import { UpgradeRulesService } from './upgrade-rules.service.js';
import { toUser, type UserEntity } from './user.entity.js';
import { VerifiedTokens } from './verified-tokens.js';

/** What is known about an attempt, for the report if it is refused. */
interface Attempt {
  address?: string | undefined;
  userId?: string | undefined;
  /** Used up, whatever the decision. */
  ticket?: ConsumedTicket;
}

/**
 * The only place that decides about credentials: the HTTP guard, the upgrade, the frame guard and the sign-in routes
 * all call it. It has no list of exceptions and reads no environment variables.
 */
@Injectable()
export class UnifiedAuthenticationService {
  private readonly verified = new VerifiedTokens();
  private legacy: LegacyWays | undefined;

  constructor(
    private readonly jwt: JwtService,
    private readonly sessions: SessionService,
    private readonly passwords: PasswordService,
    private readonly rules: UpgradeRulesService,
    private readonly report: AuthReportService,
  ) {}

  /** Enables the legacy methods as well. Each is behind its flag. */
  admitLegacy(ways: LegacyWays): void {
    this.legacy = ways;
  }

  /**
   * Returns the user who sent an HTTP request.
   * @param authorization the `Authorization` header.
   * @param address network address of the client, for the log.
   * @throws {AppError} `token_missing`, `token_malformed`, `token_invalid`, `token_expired`, `session_revoked`,
   * `session_expired`, `user_disabled`, `dependency_unavailable`.
   */
  async authenticateRequest(authorization: string | undefined, address?: string): Promise<UserContext> {
    return this.decide('http', { address }, () => this.validateToken(bearerToken(authorization)));
  }

  /**
   * Returns the user of an access token while its session is live. Using it keeps the session alive.
   * @param method how the token arrived.
   * @throws {AppError} as `authenticateRequest`.
   */
  async validateToken(token: string, method: AuthMethod = 'bearer'): Promise<UserContext> {
    const claims = this.verify(token);
    const session = await this.sessions.touch(claims.sub, claims.session_id);
    return toContext(session, claims.exp * 1000, method);
  }

  /**
   * Decides whether an upgrade may become a socket, and for which user. The call uses up the ticket.
   * @param enter the caller's own check of this user; it runs while the session is read.
   * @throws {AppError} `origin_not_allowed`, `multiple_credentials`, `auth_method_disabled`, a `ticket_…` code,
   * `session_revoked`, `session_expired`, `user_disabled`, `conversation_not_found`, `dependency_unavailable`.
   */
  async authenticateUpgrade(request: UpgradeRequest, enter: EnterConnection): Promise<Admission> {
    const attempt: Attempt = { address: request.address };
    const path = request.firstMessage === undefined ? 'upgrade' : 'first_message';
    return this.decide(path, attempt, async () => {
      if (!this.rules.isOriginAllowed(request)) {
        attempt.ticket = await this.rules.burnBeside(request);
        throw new AppError('origin_not_allowed', {
          detail: 'This origin is not in the list of allowed origins',
        });
      }
      const credential = this.legacy?.find(request);
      if (credential !== undefined) return this.admitOld(credential, request, enter);
      const ticket = (attempt.ticket = await this.rules.take(findTicket(request)));
      const { claims } = ticket;
      requireBindings(claims, request);
      const [session] = await Promise.all([
        this.sessions.check(claims.user_id, claims.session_id),
        this.rules.requireOwner(claims.user_id, request.conversationId),
        enter(claims),
      ]);
      const user = toContext(session, claims.auth_expires_at, 'ticket');
      return { user, conversationId: request.conversationId, ticket };
    });
  }

  /**
   * A session for a token of an old format.
   * @param open verifies the token with the function that it is given, then opens the session.
   * @throws {AppError} `auth_method_disabled`, or as `authenticateRequest`.
   */
  async exchange(
    token: string,
    address: string,
    open: (verify: () => unknown) => Promise<OpenedSession>,
  ): Promise<OpenedSession> {
    return this.decide('exchange', { address }, () => open(() => this.readOldToken(token)));
  }

  /**
   * A new session for a password. An unknown account takes the same time and gets the same answer.
   * @throws {AppError} `credentials_invalid`, `user_disabled`, `rate_limited`, `dependency_unavailable`.
   */
  async authenticatePassword(login: PasswordAttempt): Promise<OpenedSession> {
    const attempt: Attempt = { address: login.device.address };
    return this.decide('password', attempt, async () => {
      const { account, isRight } = await this.passwords.check(login);
      attempt.userId = account?.id;
      if (account === undefined || !isRight) throw new AppError('credentials_invalid');
      if (account.disabledAt !== null) throw new AppError('user_disabled');
      const opened = await this.sessions.open(toUser(account), login.device.userAgent);
      // A concurrent change of the account ended the sessions that existed then, but not this new one.
      const change = await this.passwords.changeSince(account);
      if (change !== undefined) {
        await this.sessions.end(account.id, opened.session.session_id, 'admin');
        throw new AppError(change);
      }
      await this.passwords.remember(login);
      return opened;
    });
  }

  /**
   * Checks that a signed-in user knows the password, for actions that need more than a session.
   * @param use performs the action; returns false if the password has changed in the meantime.
   * @throws {AppError} `credentials_invalid`, `rate_limited`, `dependency_unavailable`, and what `use` throws.
   */
  async confirmPassword(
    user: UserContext,
    login: PasswordAttempt,
    use: (account: UserEntity) => Promise<boolean>,
  ): Promise<void> {
    await this.decide('password', { userId: user.userId, address: login.device.address }, async () => {
      const { account, isRight } = await this.passwords.check(login);
      if (account?.id !== user.userId || !isRight || !(await use(account)))
        throw new AppError('credentials_invalid', { detail: 'The current password is another one' });
    });
  }

  /**
   * Exchanges a refresh token for the next one of its session.
   * @throws {AppError} `token_invalid`, `refresh_reused`, `session_revoked`, `session_expired`, `user_disabled`.
   */
  async rotate(refreshToken: string, address: string): Promise<OpenedSession> {
    return this.decide('refresh', { address }, () => this.sessions.rotate(refreshToken));
  }

  /** Records which connection an admitted upgrade became. */
  settle({ ticket }: Admission, connectionId: string): void {
    if (ticket !== undefined) this.rules.accept(ticket, connectionId);
  }

  /**
   * Checks that the session of a socket is still live; called before each frame that acts.
   * @throws {AppError} `session_revoked`, `session_expired`, `user_disabled`, `dependency_unavailable`.
   */
  async authenticateFrame({ userId, sessionId }: UserContext): Promise<void> {
    await this.decide('frame', { userId }, () => this.sessions.check(userId, sessionId));
  }

  /**
   * Extends a socket's time, for a `refresh` ticket that its own session minted with a fresh access token.
   * @returns the user with the new expiry.
   * @throws {AppError} a `ticket_…` code, `forbidden` for another session's ticket, or as `authenticateFrame`.
   */
  async renew(
    user: UserContext,
    clientId: string,
    connectionId: string,
    presented: string,
  ): Promise<UserContext> {
    const attempt: Attempt = { userId: user.userId };
    return this.decide('frame', attempt, async () => {
      const ticket = (attempt.ticket = await this.rules.take(presented));
      const { claims } = ticket;
      requireRenewal(claims, user.sessionId, clientId);
      const session = await this.sessions.touch(claims.user_id, claims.session_id);
      this.rules.accept(ticket, connectionId);
      return toContext(session, claims.auth_expires_at, 'ticket');
    });
  }

  /**
   * A new access token for a session.
   * @param life in seconds since the epoch
   */
  issueAccessToken(user: User, sessionId: string, life: { iat: number; exp: number }): string {
    const { id, email, role } = user;
    return this.jwt.sign({ sub: id, id, email, role, session_id: sessionId, ...life });
  }

  /** Wraps every decision: reports the outcome, and records in the receipt why a ticket was refused. */
  private async decide<T>(path: AuthPath, attempt: Attempt, work: () => Promise<T>): Promise<T> {
    try {
      const admitted = await work();
      this.report.success(path);
      return admitted;
    } catch (error) {
      const refusal = toAppError(error);
      const { ticket, userId = ticket?.claims.user_id, address } = attempt;
      this.report.refusal(path, refusal, userId, address);
      if (ticket !== undefined) await this.rules.reject(ticket, refusal.code);
      throw refusal;
    }
  }

  private async admitOld(
    credential: LegacyCredential,
    request: UpgradeRequest,
    enter: EnterConnection,
  ): Promise<Admission> {
    const { method, value, conversationId } = credential;
    const found = await this.legacy?.sessionOf(credential, () => this.readOldToken(value));
    const user =
      found === undefined
        ? await this.validateToken(value, method)
        : toContext(found.session, found.expiresAtMs, method);
    this.legacy?.requireAllowed(user.userId, credential);
    await this.rules.requireOwner(user.userId, conversationId);
    const client_id = request.query.get('client_id') ?? undefined;
    await enter({ user_id: user.userId, session_id: user.sessionId, client_id });
    this.legacy?.count(method, request.headers);
    return { user, conversationId, answerHeaders: this.legacy?.answerHeaders ?? {} };
  }

  private verify(token: string): AccessTokenClaims {
    const known = this.verified.get(token);
    if (known !== undefined) return known;
    const claims = requireClaims(this.verifySignature(token));
    this.verified.add(token, claims);
    return claims;
  }

  /** Only one of the old formats has issuer and audience: `readOldClaims` compares them. */
  private readOldToken(token: string): unknown {
    return this.verifySignature(token, { issuer: undefined, audience: undefined });
  }

  /** Form and header are checked where the key is chosen: see `verifyingKey`. */
  private verifySignature(token: string, options?: { issuer: undefined; audience: undefined }): unknown {
    try {
      return this.jwt.verify<Record<string, unknown>>(token, options);
    } catch (error) {
      if (error instanceof AppError) throw error;
      const isOver = error instanceof Error && error.name === 'TokenExpiredError';
      throw new AppError(isOver ? 'token_expired' : 'token_invalid', { cause: error });
    }
  }
}

/** A credential is good no longer than its session. */
function toContext(session: SessionRecord, expiresAtMs: number, method: AuthMethod): UserContext {
  return {
    userId: session.user_id,
    email: session.email,
    role: session.role,
    displayName: session.display_name,
    sessionId: session.session_id,
    expiresAtMs: Math.min(expiresAtMs, session.absolute_expires_at),
    method,
  };
}
