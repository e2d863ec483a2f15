import { Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit/audit-log.service.js';
import type { LegacyMethod } from '../../identity/user-context.js';
import { MetricsService } from '../../observability/metrics.service.js';
import type { UpgradeRequest } from '../upgrade-credentials.js';
import { clientName } from './client-name.js';
import { SUNSET_HEADERS } from './sunset.js';

/** Counts every use of a legacy method, and reports a client that claims to be another user. */
@Injectable()
export class LegacyReportService {
  constructor(
    private readonly metrics: MetricsService,
    private readonly audit: AuditLogService,
  ) {
    this.metrics.legacySunset.set(Date.parse(SUNSET_HEADERS.sunset) / 1000);
  }

  used(method: LegacyMethod | 'token_format', headers: UpgradeRequest['headers']): void {
    this.metrics.legacyAuth.labels(method, clientName(headers)).inc();
  }

  spoofed(userId: string): void {
    this.audit.critical('auth.user_id_spoofed', userId);
  }
}
