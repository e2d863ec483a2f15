import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SessionService } from '../session/session.service.js';
import { TicketService } from '../ticket/ticket.service.js';

/**
 * Burns what tickets a session leaves. They would open nothing without it; burnt, their receipts say so to the owner, and
 * they count as unused no more. Sessions and tickets do not know each other: this room knows both.
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
