import { Injectable } from '@nestjs/common';
import type { AppError } from '../errors/app-error.js';
import { FailureRateService } from '../observability/failure-rate.service.js';
import { REFUSAL_REASONS } from '../observability/label-values.js';
import { MetricsService } from '../observability/metrics.service.js';
import { isFault, severityOf } from '../observability/refusal-severity.js';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import { AUTH_PATHS, type AuthPath, AuthPathService } from './auth-path.service.js';

/**
 * Counts every decision of the authentication service, and logs each refusal with its reason, in bounded lines. Only
 * the authentication service may import it.
 */
@Injectable()
export class AuthReportService {
  private readonly accepted: ReadonlyMap<AuthPath, { inc(): void }>;

  constructor(
    private readonly metrics: MetricsService,
    private readonly refusals: RefusalLogService,
    private readonly paths: AuthPathService,
    private readonly failureRate: FailureRateService,
  ) {
    const bind = (path: AuthPath) => metrics.authAttempts.labels(path, 'accepted', 'none');
    this.accepted = new Map(AUTH_PATHS.map((path) => [path, bind(path)]));
    for (const path of AUTH_PATHS) {
      for (const reason of REFUSAL_REASONS) metrics.authAttempts.inc({ path, outcome: 'refused', reason }, 0);
    }
  }

  success(path: AuthPath): void {
    this.accepted.get(path)?.inc();
    this.paths.count(path, 'accepted');
    this.failureRate.accepted(path);
  }

  /** @param address network address of the refused client, if known */
  refusal(path: AuthPath, error: AppError, userId?: string, address?: string): void {
    this.metrics.authAttempts.labels(path, 'refused', error.code).inc();
    this.paths.count(path, 'refused');
    this.failureRate.refused(path, error.code);
    const fields = { path, reason: error.code, detail: error.detail, user_id: userId, address };
    const event = isFault(error.code) ? 'auth.failed' : 'auth.refused';
    const cause = `${path} ${error.code}`;
    error.traceId = this.refusals.write(severityOf(error.code), event, cause, address ?? userId, fields);
  }
}
