import { Module } from '@nestjs/common';
import { TicketService } from './ticket.service.js';
import { TicketStore } from './ticket.store.js';

/** Tickets, for a program that burns them and serves no route. A node has them with `TicketModule`. */
@Module({ providers: [TicketStore, TicketService], exports: [TicketService] })
export class TicketBurnModule {}
