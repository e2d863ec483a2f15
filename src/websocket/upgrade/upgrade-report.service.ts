import { Injectable } from '@nestjs/common';
import type { Admission } from '../../auth/admission.js';
import { UnifiedAuthenticationService } from '../../auth/unified-authentication.service.js';
import type { AppError } from '../../errors/app-error.js';
import { upgradeReason } from '../../observability/label-values.js';
import { MetricsService } from '../../observability/metrics.service.js';
import { RefusalLogService } from '../../observability/refusal-log.service.js';
import { severityOf } from '../../observability/refusal-severity.js';

/** Counts upgrades, logs refusals, and records in a ticket's receipt which connection it opened. */
@Injectable()
export class UpgradeReportService {
  constructor(
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
    private readonly authentication: UnifiedAuthenticationService,
  ) {}

  admitted(admission: Admission, connectionId: string): void {
    this.authentication.settle(admission, connectionId);
  }

  opened(): void {
    this.metrics.upgrades.labels('accepted', 'none').inc();
  }

  /** Counts and logs a refusal, unless the authentication service has already logged it. */
  refused(error: AppError, address: string): void {
    const { code, detail, cause } = error;
    this.metrics.upgrades.labels('refused', upgradeReason(code)).inc();
    const fields = { reason: code, detail, address };
    if (code === 'internal') {
      const stack = cause instanceof Error ? cause.stack : String(cause);
      error.traceId = this.refusals.write(
        'critical',
        'upgrade.broken',
        String(stack).slice(0, 200),
        address,
        {
          ...fields,
          error: stack,
        },
      );
    }
    error.traceId ??= this.refusals.write(severityOf(code), 'upgrade.refused', code, address, fields);
  }
}
