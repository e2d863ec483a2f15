import { Module } from '@nestjs/common';
import { TicketBurnModule } from './ticket-burn.module.js';
import { TicketController } from './ticket.controller.js';
import { TicketExpiryService } from './ticket-expiry.service.js';
import { TicketExpiryStore } from './ticket-expiry.store.js';

@Module({
  imports: [TicketBurnModule],
  controllers: [TicketController],
  providers: [TicketExpiryService, TicketExpiryStore],
  exports: [TicketBurnModule],
})
export class TicketModule {}
