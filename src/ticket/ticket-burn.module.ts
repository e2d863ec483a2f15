import { Module } from '@nestjs/common';
import { TicketIndexStore } from './ticket-index.store.js';
import { TicketQuotaService } from './ticket-quota.service.js';
import { TicketReceiptStore } from './ticket-receipt.store.js';
import { TicketReportService } from './ticket-report.service.js';
import { TicketService } from './ticket.service.js';
import { TicketStore } from './ticket.store.js';

/** Tickets, for a program that burns them and serves no route. A node has them with `TicketModule`. */
@Module({
  providers: [
    TicketIndexStore,
    TicketQuotaService,
    TicketReceiptStore,
    TicketReportService,
    TicketService,
    TicketStore,
  ],
  exports: [TicketService],
})
export class TicketBurnModule {}
