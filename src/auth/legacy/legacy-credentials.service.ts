import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import type { LegacyMethod } from '../../identity/user-context.js';
import { type OpenedSession, SessionService } from '../../session/session.service.js';
import { FeatureFlagService } from '../../rollout/feature-flag.service.js';
import { type FoundSession, type LegacyCredential, LegacyWays } from '../legacy-ways.js';
import { hasCredential, type UpgradeRequest } from '../upgrade-credentials.js';
import { CREDENTIAL_ROWS, type CredentialRow } from './credential-rows.js';
import { readFirstMessage } from './first-message.js';
import { LegacyReportService } from './legacy-report.service.js';
import { OldTokenService } from './old-token.service.js';
import { SUNSET_HEADERS } from './sunset.js';
import { redisNow } from '../../redis/redis-clock.js';

/** The legacy methods, each behind its flag. It extracts and converts credentials; it does not decide about them. */
@Injectable()
export class LegacyCredentialsService extends LegacyWays {
  override readonly answerHeaders = SUNSET_HEADERS;

  constructor(
    private readonly flags: FeatureFlagService,
    private readonly sessions: SessionService,
    private readonly oldTokens: OldTokenService,
    private readonly config: Config,
    private readonly report: LegacyReportService,
  ) {
    super();
  }

  override find(request: UpgradeRequest): LegacyCredential | undefined {
    if (request.firstMessage !== undefined) return readFirstMessage(request.firstMessage, request);
    if (request.query.has('ticket')) return undefined;
    const explicit = this.present(request, (row) => !row.isCookie);
    if (explicit[0] !== undefined) {
      if (this.flags.isEnabled(explicit[0].row.flag)) return toCredential(explicit[0], request);
      throw new AppError('auth_method_disabled', { detail: 'expected ?ticket=' });
    }
    // Browsers send cookies by themselves: a cookie is ignored if its flag is off or another credential is present.
    const cookies = this.present(request, (row) => row.isCookie && this.flags.isEnabled(row.flag));
    if (cookies.length > 1)
      throw new AppError('multiple_credentials', { detail: 'two cookies that sign in' });
    return cookies[0] && toCredential(cookies[0], request);
  }

  override requireAllowed(userId: string, { claimedUserId }: LegacyCredential): void {
    if (this.flags.isEnabled('ticket_required', userId))
      throw new AppError('auth_method_disabled', { detail: 'this user needs a ticket' });
    this.requireSameUser(userId, claimedUserId);
  }

  override async sessionOf(
    { kind, value }: LegacyCredential,
    verify: () => unknown,
  ): Promise<FoundSession | undefined> {
    if (kind === 'session_id') {
      const session = await this.sessions.touchById(value);
      return { session, expiresAtMs: redisNow() + this.config.accessTokenTtlSeconds * 1000 };
    }
    if (!this.takesOldTokens()) return undefined;
    const old = await this.oldTokens.read(value, verify());
    return old && this.oldTokens.sessionOf(old);
  }

  override count(method: LegacyMethod, headers: UpgradeRequest['headers']): void {
    this.report.used(method, headers);
  }

  /** Whether an upgrade without a credential may send it in its first frame. */
  awaitsFirstMessage(request: UpgradeRequest): boolean {
    const { origin } = request.headers;
    return (
      this.flags.isEnabled('legacy_first_message') &&
      (origin === undefined || this.config.allowedOrigins.has(origin)) &&
      !hasCredential(request) &&
      this.present(request, (row) => this.flags.isEnabled(row.flag)).length === 0
    );
  }

  /** @throws {AppError} `forbidden`, audited, when a client claims to be another user. */
  requireSameUser(userId: string, claimedUserId: string | undefined): void {
    if (claimedUserId === undefined || claimedUserId.toLowerCase() === userId) return;
    this.report.spoofed(userId);
    throw new AppError('forbidden', { detail: '"user_id" is not the user of the credential' });
  }

  /**
   * A new session for a token of an old format.
   * @param countFor counts the sign-in for the account.
   * @throws {AppError} `auth_method_disabled` while the old formats are off, or as `sessionOf`.
   */
  async exchange(
    token: string,
    verify: () => unknown,
    headers: UpgradeRequest['headers'],
    countFor: (email: string) => Promise<unknown>,
  ): Promise<OpenedSession> {
    if (!this.takesOldTokens()) throw new AppError('auth_method_disabled');
    const old = await this.oldTokens.read(token, verify());
    if (old === undefined) throw new AppError('token_invalid', { detail: 'not a token of an old format' });
    await countFor(old.user.email);
    const opened = await this.oldTokens.exchange(old, headers['user-agent'] ?? '');
    this.report.used('token_format', headers);
    return opened;
  }

  private present(
    request: UpgradeRequest,
    isMeant: (row: CredentialRow) => boolean,
  ): { row: CredentialRow; value: string }[] {
    return CREDENTIAL_ROWS.filter(isMeant).flatMap((row) => {
      const value = row.find(request);
      return value === undefined ? [] : [{ row, value }];
    });
  }

  private takesOldTokens(): boolean {
    return this.flags.isEnabled('legacy_token_formats');
  }
}

/** Browsers send a cookie with any page's request: it counts only with an `Origin`. */
function toCredential(
  { row, value }: { row: CredentialRow; value: string },
  { headers: { origin }, conversationId }: UpgradeRequest,
): LegacyCredential {
  if (row.isCookie && origin === undefined)
    throw new AppError('origin_not_allowed', { detail: 'a cookie needs an Origin' });
  return { method: row.method, kind: row.kind, value, conversationId, claimedUserId: undefined };
}
