import { Injectable } from '@nestjs/common';
import { isUuid } from '../../../protocol/messages.js';
import { Config } from '../../config/config.js';
import { AppError } from '../../errors/app-error.js';
import type { LegacyMethod } from '../../identity/user-context.js';
import { AuditLog } from '../../observability/audit-log.service.js';
import { Metrics } from '../../observability/metrics.js';
import { FeatureFlags } from '../../rollout/feature-flags.service.js';
import { CLOCK_TOLERANCE_SECONDS } from '../access-token.js';
import {
  type Conversion,
  type FirstMessage,
  type OldTokenOwner,
  type OtherCredential,
  OtherCredentials,
} from '../other-credentials.js';
import { hasCredential, type UpgradeRequest } from '../upgrade-credentials.js';
import type { UserEntity } from '../user.entity.js';
import { UserStore } from '../user.store.js';
import { clientName } from './client-name.js';
import { ConversionStore } from './conversion.store.js';
import { CREDENTIAL_ROWS, type CredentialRow } from './credential-rows.js';
import { readFirstMessage, readGreeting } from './first-message.js';
import { type OldClaims, readOldClaims } from './old-claims.js';
import { SUNSET_HEADERS } from './sunset.js';

/** The old ways in, each behind its flag. It extracts and converts; whether somebody may come in it does not say. */
@Injectable()
export class LegacyCredentials extends OtherCredentials {
  override readonly answerHeaders = SUNSET_HEADERS;
  override readonly readFirstMessage: (text: string) => FirstMessage = readFirstMessage;
  override readonly readGreeting = readGreeting;

  constructor(
    private readonly flags: FeatureFlags,
    private readonly users: UserStore,
    private readonly conversions: ConversionStore,
    private readonly config: Config,
    private readonly audit: AuditLog,
    private readonly metrics: Metrics,
  ) {
    super();
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

  override takesOldTokens(): boolean {
    return this.flags.isEnabled('legacy_token_formats');
  }

  override async ownerOf(payload: unknown): Promise<OldTokenOwner | undefined> {
    const claims = readOldClaims(payload, this.config.jwt);
    if (claims === undefined) return undefined;
    const user = await this.findUser(claims);
    if (user === undefined)
      throw new AppError('token_invalid', { detail: 'the token names no user of ours' });
    if (user.disabledAt !== null) throw new AppError('user_disabled');
    const { id, email, role, displayName } = user;
    return { user: { id, email, role, display_name: displayName }, expiresAtMs: claims.exp * 1000 };
  }

  override conversionOf(token: string): Promise<Conversion | undefined> {
    return this.conversions.find(token);
  }

  override rememberConversion(token: string, conversion: Conversion, expiresAtMs: number): Promise<void> {
    // As long as the token can be used: a verifier forgives it some seconds of another clock.
    return this.conversions.remember(token, conversion, expiresAtMs + CLOCK_TOLERANCE_SECONDS * 1000);
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

  /** By address, where the token has one, and it must not contradict the subject; else by the subject. */
  private async findUser({ sub, email }: OldClaims): Promise<UserEntity | undefined> {
    if (email === undefined && isUuid(sub)) return this.users.findById(sub.toLowerCase());
    const user = await this.users.findByEmail((email ?? sub).toLowerCase());
    return isUuid(sub) && user?.id !== sub.toLowerCase() ? undefined : user;
  }
}

function toCredential({ row, value }: { row: CredentialRow; value: string }): OtherCredential {
  return { method: row.method, kind: row.kind, value, needsOrigin: row.isCookie };
}

/** What `auth.module.ts` registers. */
export const LEGACY_PROVIDERS = [ConversionStore, { provide: OtherCredentials, useClass: LegacyCredentials }];
