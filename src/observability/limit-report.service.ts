import { Injectable } from '@nestjs/common';
import type { LimitLabel } from './label-values.js';
import { MetricsService } from './metrics.service.js';
import { RefusalLogService } from './refusal-log.service.js';

/** Counts each refusal by a limit, and logs refusals in a bounded number of lines. */
@Injectable()
export class LimitReportService {
  constructor(
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
  ) {}

  /** Counts a refusal that is logged with its decision. */
  counted(limit: LimitLabel): void {
    this.metrics.rateLimited.labels(limit).inc();
  }

  /**
   * @param subject whose limit it is: an address, a user id or a digest
   * @returns the trace id of the log line
   */
  refused(limit: LimitLabel, subject: string): string {
    this.counted(limit);
    return this.refusals.write('warn', 'limit.reached', limit, subject, {
      reason: 'rate_limited',
      limit,
      subject,
    });
  }
}
