import { type DynamicModule, Module } from '@nestjs/common';
import { LimitReportService } from './limit-report.service.js';
import { FailureRateService } from './failure-rate.service.js';
import { AppLogger } from './logger.js';
import { MetricsService } from './metrics.service.js';
import { RefusalLogService } from './refusal-log.service.js';

@Module({})
export class ObservabilityModule {
  /** The logger is created before Nest starts, because Nest logs its own start through it. */
  static with(logger: AppLogger): DynamicModule {
    return {
      module: ObservabilityModule,
      global: true,
      providers: [
        { provide: AppLogger, useValue: logger },
        MetricsService,
        RefusalLogService,
        LimitReportService,
        FailureRateService,
      ],
      exports: [AppLogger, MetricsService, RefusalLogService, LimitReportService, FailureRateService],
    };
  }
}
