import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SessionService } from '../session/session.service.js';
import { TicketService } from '../ticket/ticket.service.js';

/**
 * Burns the unused tickets of an ended session. They would open nothing anyway; once burnt, their receipts say so, and
 * they no longer count as unused. Sessions and tickets do not depend on each other: this folder depends on both.
 */
@Injectable()
export class TicketBurnService implements OnModuleInit {
  constructor(
    private readonly sessions: SessionService,
    private readonly tickets: TicketService,
  ) {}

  onModuleInit(): void {
    this.sessions.onEnding((userId, sessionId) => this.tickets.burnOfSession(userId, sessionId));
  }
}
