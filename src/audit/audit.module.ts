import { Global, Module } from '@nestjs/common';
import { AuditLogService } from './audit-log.service.js';
import { AuditReaderService } from './audit-reader.service.js';
import { AuditRetentionService } from './audit-retention.service.js';
import { AuditStore } from './audit.store.js';

/** Global, because every module that decides or changes something records it. */
@Global()
@Module({
  providers: [AuditStore, AuditLogService, AuditReaderService, AuditRetentionService],
  exports: [AuditLogService, AuditReaderService],
})
export class AuditModule {}
