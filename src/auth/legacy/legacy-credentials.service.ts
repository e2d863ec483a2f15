import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import type { LegacyMethod } from '../../identity/user-context.js';
import { AuditLogService } from '../../audit/audit-log.service.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { type OpenedSession, SessionService } from '../../session/session.service.js';
import { FeatureFlagService } from '../../rollout/feature-flag.service.js';
import {
  type FirstMessage,
  type FoundSession,
  type OtherCredential,
  OtherCredentials,
} from '../other-credentials.js';
import { hasCredential, type UpgradeRequest } from '../upgrade-credentials.js';
import { clientName } from './client-name.js';
import { ConversionStore } from './conversion.store.js';
import { CREDENTIAL_ROWS, type CredentialRow } from './credential-rows.js';
import { readFirstMessage, readGreeting } from './first-message.js';
import { OldTokenService } from './old-token.service.js';
import { SUNSET_HEADERS } from './sunset.js';
import { redisNow } from '../../redis/redis-clock.js';

/** The old ways in, each behind its flag. It extracts and converts; whether somebody may come in it does not say. */
@Injectable()
export class LegacyCredentialsService extends OtherCredentials {
  override readonly answerHeaders = SUNSET_HEADERS;
  override readonly readFirstMessage: (text: string) => FirstMessage = readFirstMessage;
  override readonly readGreeting = readGreeting;

  constructor(
    private readonly flags: FeatureFlagService,
    private readonly sessions: SessionService,
    private readonly oldTokens: OldTokenService,
    private readonly config: Config,
    private readonly audit: AuditLogService,
    private readonly metrics: MetricsService,
  ) {
    super();
    this.metrics.legacySunset.set(Date.parse(SUNSET_HEADERS.sunset) / 1000);
  }

  override find(request: UpgradeRequest): OtherCredential | undefined {
    if (request.query.has('ticket')) return undefined;
    const explicit = this.present(request, (row) => !row.isCookie);
    if (explicit[0] !== undefined) {
      if (this.flags.isEnabled(explicit[0].row.flag)) return toCredential(explicit[0]);
      throw new AppError('auth_method_disabled', { detail: 'expected ?ticket=' });
    }
    // A cookie comes by itself: while its flag is off it is nothing, and beside anything else it is not meant.
    const cookies = this.present(request, (row) => row.isCookie && this.flags.isEnabled(row.flag));
    if (cookies.length > 1)
      throw new AppError('multiple_credentials', { detail: 'two cookies that sign in' });
    return cookies[0] && toCredential(cookies[0]);
  }

  override awaitsFirstMessage(request: UpgradeRequest): boolean {
    return (
      this.flags.isEnabled('legacy_first_message') &&
      !hasCredential(request) &&
      this.present(request, (row) => this.flags.isEnabled(row.flag)).length === 0
    );
  }

  override requireAllowed(userId: string): void {
    if (!this.flags.isEnabled('ticket_required', userId)) return;
    throw new AppError('auth_method_disabled', { detail: 'this user needs a ticket' });
  }

  override requireSameUser(userId: string, claimedUserId: string | undefined): void {
    if (claimedUserId === undefined || claimedUserId.toLowerCase() === userId) return;
    this.audit.critical('auth.user_id_spoofed', userId);
    throw new AppError('forbidden', { detail: '"user_id" is not the user of the credential' });
  }

  override async sessionOf(
    { kind, value }: OtherCredential,
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

  override async exchange(
    token: string,
    verify: () => unknown,
    userAgent: string,
    countFor: (email: string) => Promise<unknown>,
  ): Promise<OpenedSession> {
    if (!this.takesOldTokens()) throw new AppError('auth_method_disabled');
    const old = await this.oldTokens.read(token, verify());
    if (old === undefined) throw new AppError('token_invalid', { detail: 'not a token of an old format' });
    await countFor(old.user.email);
    return this.oldTokens.exchange(old, userAgent);
  }

  override count(method: LegacyMethod | 'token_format', headers: UpgradeRequest['headers']): void {
    this.metrics.legacyAuth.labels(method, clientName(headers)).inc();
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

function toCredential({ row, value }: { row: CredentialRow; value: string }): OtherCredential {
  return { method: row.method, kind: row.kind, value, needsOrigin: row.isCookie };
}

/** What `auth.module.ts` registers. */
export const LEGACY_PROVIDERS = [
  ConversionStore,
  OldTokenService,
  { provide: OtherCredentials, useClass: LegacyCredentialsService },
];
