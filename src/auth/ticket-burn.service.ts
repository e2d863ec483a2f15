import { Injectable, type OnModuleInit } from '@nestjs/common';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { SessionService } from '../session/session.service.js';
import { TicketService } from '../ticket/ticket.service.js';

/**
 * Burns the unused tickets of an ended session: the node that ends it those that are listed, each node those of its own
 * that are not yet. They would open nothing anyway; once burnt, their receipts say so, and they no longer count as
 * unused. Sessions and tickets do not depend on each other: this folder depends on both.
 */
@Injectable()
export class TicketBurnService implements OnModuleInit {
  constructor(
    private readonly sessions: SessionService,
    private readonly tickets: TicketService,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    this.sessions.onEnding((userId, sessionId) => this.tickets.burnOfSession(userId, sessionId));
    this.sessions.onEnded(({ session_id: sessionId }) => {
      background(this.tickets.burnUnlisted(sessionId), this.logger, 'ticket.burn_failed');
    });
  }
}
