import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import type { UpgradeRequest } from './upgrade-credentials.js';

/** What an upgrade must keep to, whatever credential it brings. */
@Injectable()
export class UpgradeRulesService {
  constructor(
    private readonly config: Config,
    private readonly conversations: ConversationAccess,
  ) {}

  /** True for a request that no browser sent, and for one from a page that may connect. */
  isOriginAllowed({ headers: { origin } }: UpgradeRequest): boolean {
    return origin === undefined || this.config.allowedOrigins.has(origin);
  }

  /** @throws {AppError} `origin_not_allowed` */
  requireOrigin(request: UpgradeRequest): void {
    if (this.isOriginAllowed(request)) return;
    throw new AppError('origin_not_allowed', {
      detail: 'This origin is not in the list of allowed origins',
    });
  }

  /** Browsers send a cookie whether their page meant it or not. @throws {AppError} `origin_not_allowed` without origin */
  requireKnownOrigin({ headers: { origin } }: UpgradeRequest): void {
    if (origin === undefined)
      throw new AppError('origin_not_allowed', { detail: 'a cookie needs an Origin' });
  }

  /** @throws {AppError} `conversation_not_found` */
  async requireOwner(userId: string, conversationId: string | undefined): Promise<void> {
    if (conversationId === undefined) return;
    if (!(await this.conversations.isOwner(userId, conversationId)))
      throw new AppError('conversation_not_found');
  }
}
