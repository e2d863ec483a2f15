import { Module } from '@nestjs/common';
import { SessionModule } from '../session/session.module.js';
import { TicketBurnModule } from '../ticket/ticket-burn.module.js';
import { AdminAccountService } from './admin-account.service.js';
import { TicketBurnService } from './ticket-burn.service.js';
import { UserStore } from './user.store.js';

/** Changes of accounts, for a program that lets nobody in. A node has them with `AuthModule`. */
@Module({
  imports: [SessionModule, TicketBurnModule],
  providers: [AdminAccountService, TicketBurnService, UserStore],
  exports: [AdminAccountService],
})
export class AdminAccountModule {}
