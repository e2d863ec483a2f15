import { Module } from '@nestjs/common';
import { AdminAccountModule } from '../auth/admin-account.module.js';
import { RunStopModule } from '../chat/run-stop.module.js';
import { AdminCommandService } from './admin-command.service.js';
import { EngineCheckService } from './engine-check.service.js';

/** What operators do at a shell. Nothing in here is part of a node. */
@Module({
  imports: [AdminAccountModule, RunStopModule],
  providers: [AdminCommandService, EngineCheckService],
})
export class OperationsModule {}
