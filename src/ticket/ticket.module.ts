import { Module } from '@nestjs/common';
import { HandoffTicketService } from './handoff-ticket.service.js';
import { TicketController } from './ticket.controller.js';
import { TicketExpiryService } from './ticket-expiry.service.js';
import { TicketExpiryStore } from './ticket-expiry.store.js';
import { TicketService } from './ticket.service.js';
import { TicketStore } from './ticket.store.js';

@Module({
  controllers: [TicketController],
  providers: [TicketStore, TicketService, HandoffTicketService, TicketExpiryStore, TicketExpiryService],
  exports: [TicketService, HandoffTicketService],
})
export class TicketModule {}
