import { Module } from '@nestjs/common';
import { TicketController } from './ticket.controller.js';
import { TicketExpiryService } from './ticket-expiry.service.js';
import { TicketExpiryStore } from './ticket-expiry.store.js';
import { TicketIndexStore } from './ticket-index.store.js';
import { TicketQuotaService } from './ticket-quota.service.js';
import { TicketReceiptStore } from './ticket-receipt.store.js';
import { TicketReportService } from './ticket-report.service.js';
import { TicketService } from './ticket.service.js';
import { TicketStore } from './ticket.store.js';

@Module({
  controllers: [TicketController],
  providers: [
    TicketExpiryService,
    TicketExpiryStore,
    TicketIndexStore,
    TicketQuotaService,
    TicketReceiptStore,
    TicketReportService,
    TicketService,
    TicketStore,
  ],
  exports: [TicketService],
})
export class TicketModule {}
