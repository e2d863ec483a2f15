import { Module } from '@nestjs/common';
import { TicketController } from './ticket.controller.js';
import { TicketService } from './ticket.service.js';
import { TicketStore } from './ticket.store.js';

@Module({
  controllers: [TicketController],
  providers: [TicketStore, TicketService],
  exports: [TicketService],
})
export class TicketModule {}
