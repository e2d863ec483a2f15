import { Injectable } from '@nestjs/common';
import type { ErrorCode } from '../../protocol/errors.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import { hasTicketForm } from '../ticket/ticket.js';
import { type ConsumedTicket, TicketService } from '../ticket/ticket.service.js';
import type { UpgradeRequest } from './upgrade-credentials.js';

/** The rules for an upgrade, and the ticket that it presents. `UnifiedAuthenticationService` decides the outcome. */
@Injectable()
export class UpgradeRulesService {
  constructor(
    private readonly config: Config,
    private readonly conversations: ConversationAccess,
    private readonly tickets: TicketService,
  ) {}

  /** True for a request without an origin, and for one from an allowed origin. */
  isOriginAllowed({ headers: { origin } }: UpgradeRequest): boolean {
    return origin === undefined || this.config.allowedOrigins.has(origin);
  }

  /** @throws {AppError} `conversation_not_found` */
  async requireOwner(userId: string, conversationId: string | undefined): Promise<void> {
    if (conversationId === undefined) return;
    if (!(await this.conversations.isOwner(userId, conversationId)))
      throw new AppError('conversation_not_found');
  }

  /** Removes a presented ticket from the store; it is then used up. @throws {AppError} as `TicketService.consume` */
  take(presented: string | undefined): Promise<ConsumedTicket> {
    return this.tickets.consume(presented);
  }

  /**
   * Consumes the ticket of a refused origin, because a page that may not connect has seen it. A ticket that is
   * no longer valid does not change the refusal.
   * @throws {AppError} `dependency_unavailable`
   */
  async burnBeside({ query }: UpgradeRequest): Promise<ConsumedTicket | undefined> {
    const presented = query.get('ticket');
    if (presented === null || !hasTicketForm(presented)) return undefined;
    try {
      return await this.tickets.consume(presented);
    } catch (error) {
      if (error instanceof AppError && error.code.startsWith('ticket_')) return undefined;
      throw error;
    }
  }

  /** Records which connection a ticket opened or renewed. */
  accept(ticket: ConsumedTicket, connectionId: string): void {
    this.tickets.accept(ticket, connectionId);
  }

  /** Records why a ticket opened nothing. */
  reject(ticket: ConsumedTicket, code: ErrorCode): Promise<void> {
    return this.tickets.reject(ticket, code);
  }
}
