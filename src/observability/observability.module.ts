import { type DynamicModule, Module } from '@nestjs/common';
import { AuditLogService } from '../audit/audit-log.service.js';
import { AuditReaderService } from '../audit/audit-reader.service.js';
import { AuditRetentionService } from '../audit/audit-retention.service.js';
import { AuditStore } from '../audit/audit.store.js';
import { LimitReportService } from './limit-report.service.js';
import { FailureRateService } from './failure-rate.service.js';
import { AppLogger } from './logger.js';
import { MetricsController } from '../health/metrics.controller.js';
import { MetricsService } from './metrics.service.js';
import { RefusalLogService } from './refusal-log.service.js';

@Module({})
export class ObservabilityModule {
  /** The logger is made before Nest starts, because Nest logs its own start through it. */
  static with(logger: AppLogger): DynamicModule {
    return {
      module: ObservabilityModule,
      global: true,
      controllers: [MetricsController],
      providers: [
        { provide: AppLogger, useValue: logger },
        MetricsService,
        RefusalLogService,
        LimitReportService,
        FailureRateService,
        AuditStore,
        AuditLogService,
        AuditReaderService,
        AuditRetentionService,
      ],
      exports: [
        AppLogger,
        MetricsService,
        RefusalLogService,
        LimitReportService,
        FailureRateService,
        AuditLogService,
        AuditReaderService,
      ],
    };
  }
}
