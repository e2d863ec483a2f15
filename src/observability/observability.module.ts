import { type DynamicModule, Module } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.service.js';
import { AuditReader } from '../audit/audit-reader.service.js';
import { AuditRetention } from '../audit/audit-retention.service.js';
import { AuditStore } from '../audit/audit.store.js';
import { LimitReport } from './limit-report.service.js';
import { FailureRate } from './failure-rate.service.js';
import { AppLogger } from './logger.js';
import { MetricsController } from '../health/metrics.controller.js';
import { Metrics } from './metrics.service.js';
import { RefusalLog } from './refusal-log.service.js';

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
        Metrics,
        RefusalLog,
        LimitReport,
        FailureRate,
        AuditStore,
        AuditLog,
        AuditReader,
        AuditRetention,
      ],
      exports: [AppLogger, Metrics, RefusalLog, LimitReport, FailureRate, AuditLog, AuditReader],
    };
  }
}
